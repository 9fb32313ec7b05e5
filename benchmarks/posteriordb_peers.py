"""Peers on the log density that latentia sees: NumPyro's variational inference and NUTS, and, if it
is installed, PyMC's ADVI."""

import tempfile
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from measure import timed
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from posteriordb_models import school_effects

from latentia.inference.ladder import surface_of

SVI_STEPS = 10_000
NUTS_STEPS = 1000


def program(model, x):
    """The target, and a NumPyro model with the same density of its free numbers."""
    surface = surface_of(model.prior, model.likelihood.potential(model.likelihood.read(x)))

    def sites():
        shape = (surface.dim,)
        free = numpyro.sample("free", dist.ImproperUniform(dist.constraints.real, (), shape))
        numpyro.factor("joint", surface.target.log_joint(free))

    return surface.target, sites


def moments(target, draws, order):
    z = jax.vmap(lambda free: target.prior.bind(free)[0])(draws)
    if "theta" in order and "theta" not in z:
        z = z | jax.vmap(school_effects)(z) if "t" in z else z
    means, sds = [], []
    for name in order:
        values = np.asarray(z[name]).reshape(len(draws), -1)
        means.append(values.mean(0))
        sds.append(values.std(0))
    return np.concatenate(means), np.concatenate(sds)


def repeated(call):
    """The result, the seconds of the first call, and the least of two later ones.

    NumPyro's sampler compiles at every call. A cache on disk keeps that out of the later calls, and
    is not there for the first.
    """
    result, first = timed(call)
    with tempfile.TemporaryDirectory() as folder:
        _cache(folder)
        call()
        warm = min(timed(call)[1] for _ in range(2))
        _cache(None)
    return result, first, warm


def _cache(folder):
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    reset_cache()


def svi(guide):
    def run(model, x, order):
        with jax.enable_x64(True):
            target, sites = program(model, x)
            inference = SVI(sites, guide(sites), numpyro.optim.Adam(0.01), Trace_ELBO())

            @jax.jit
            def fit(key):
                state = inference.init(key)

                def step(state, _):
                    return inference.stable_update(state)

                state, _ = jax.lax.scan(step, state, length=SVI_STEPS)
                return inference.get_params(state)

            params, first, warm = repeated(lambda: jax.block_until_ready(fit(jax.random.key(0))))
            draws = inference.guide.sample_posterior(
                jax.random.key(1), params, sample_shape=(4000,)
            )["free"]
            return moments(target, draws, order), first, warm

    return run


def nuts(model, x, order):
    with jax.enable_x64(True):
        target, sites = program(model, x)
        sampler = MCMC(
            NUTS(sites), num_warmup=NUTS_STEPS, num_samples=NUTS_STEPS, num_chains=4,
            chain_method="vectorized", progress_bar=False, jit_model_args=True,
        )  # fmt: skip

        def call():
            sampler.run(jax.random.key(0))
            return jnp.asarray(sampler.get_samples()["free"])

        draws, first, warm = repeated(call)
        return moments(target, draws, order), first, warm


def advi(model, x, order):
    """PyMC's ADVI with its default optimiser, on the same density as an operation of PyTensor's."""
    import pymc
    from pytensor import wrap_jax

    with jax.enable_x64(True):
        target, _ = program(model, x)
        log_joint = wrap_jax(jax.jit(lambda free: target.log_joint(free)))
        with pymc.Model():
            free = pymc.Flat("free", shape=target.prior.free_dim)
            pymc.Potential("joint", log_joint(free))

            def call():
                found = pymc.fit(SVI_STEPS, method="advi", random_seed=0, progressbar=False)
                return found.sample(4000, random_seed=1, return_inferencedata=False)["free"]

            draws, first, warm = repeated(call)
        return moments(target, jnp.asarray(draws), order), first, warm


PEERS = {
    "NumPyro AutoNormal": svi(AutoNormal),
    "NumPyro AutoMultivariateNormal": svi(AutoMultivariateNormal),
    "NumPyro NUTS": nuts,
}
if find_spec("pymc") is not None:
    PEERS["PyMC ADVI"] = advi
