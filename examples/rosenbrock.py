"""Rosenbrock's valley: three ways down, and one that fails.

    cost(x, y) = (1 - x)² + 100 (y - x²)²        lowest at (1, 1)

The lesson: on a curved valley with steep walls a fixed step that is safe on the walls creeps along the floor,
and one step too long from a steep place throws plain descent out of the valley for good. Adam divides each
step by the size of recent gradients; L-BFGS learns the curvature.
"""

from importlib.util import find_spec

import numpy as np

import probgraph as pg
import probgraph.engine as theano
import probgraph.engine.tensor as T


def cost(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


# In the manner of Theano: shared variables, and a compiled step that updates them.
x, y = theano.shared(2.0, name="x"), theano.shared(2.0, name="y")
gradient_x, gradient_y = T.grad(cost(x, y), [x, y])
step = theano.function([], [x, y], updates=[(x, x - 0.001 * gradient_x), (y, y - 0.001 * gradient_y)])
paths = {"gradient descent from (2, 2)": np.transpose([step() for _ in range(10_000)])}
print(f"10,000 steps of gradient descent from (2, 2): ({x.get_value():.3f}, {y.get_value():.3f})")

# As a model: the cost is a log density with its sign changed, its minimum the mode.
with pg.Model():
    pg.Potential("valley", -cost(pg.Flat("x"), pg.Flat("y")))
    for method, options in {
        "gradient descent": {"learning_rate": 0.001},
        "adam": {"learning_rate": 0.05},
        "L-BFGS-B": {},
    }.items():
        found = pg.find_MAP(start={"x": 3.0, "y": 3.0}, method=method, record_path=True, **options)
        print(
            f"{method} from (3, 3): ({found['x']:.3f}, {found['y']:.3f}) after {found.iterations} steps,",
            end=" ",
        )
        print("converged" if found.converged else f"not converged: {found.message}")
        if found.converged:
            paths[f"{method} from (3, 3)"] = found.path["x"], found.path["y"]

if find_spec("matplotlib"):
    import matplotlib.pyplot as plt

    across, up = np.meshgrid(np.linspace(-2.5, 3.5, 300), np.linspace(-1.5, 9.5, 300))
    plt.contour(across, up, np.log10(cost(across, up) + 1e-3), levels=20, cmap="Greys")
    for name, (x, y) in paths.items():
        plt.plot(x, y, ".-", markersize=2, linewidth=1, label=name)
    plt.plot(1, 1, "k*")
    plt.legend()
    plt.savefig("rosenbrock.png")
    print("the paths are in rosenbrock.png")
