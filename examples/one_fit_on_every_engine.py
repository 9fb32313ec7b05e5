# %% [markdown]
# # The same fit, from a laptop to a cluster to a GPU
#
# EM asks its data for one thing only: a sum over data of a pure function of the parameters. Where
# that sum is made is the *engine*, one word of `fit`; the model, the learner and the answer stay.
#
# Here is a small data set in several Parquet files.

# %%
import pathlib
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import latentia as lt


def write(folder):
    rng = np.random.default_rng(0)
    for number in range(4):
        group = rng.integers(3, size=2500)
        values = rng.normal(size=(2500, 2)) + 4.0 * np.stack([group == 1, group == 2], axis=1)
        table = pa.table({"length": values[:, 0], "width": values[:, 1]})
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=500)


# The processes of two engines import this file, and should do nothing by that.
if __name__ == "__main__":
    folder = pathlib.Path(tempfile.mkdtemp())
    write(folder)

# %% [markdown]
# One changed word. `"memory"` keeps the data; `"stream"` reads the files again in every pass and
# holds two batches of them; `"processes"` shares the files among processes on this machine;
# `"dask"` among the workers of a cluster (here one that it starts on this machine; the packages
# come with `pip install 'latentia[dask]'`); `"mesh"` spreads the data over the devices that JAX
# sees, such as GPUs.

# %%
model = lt.LatentVariableModel(lt.Discrete(3), lt.Switch(lt.Gaussian(dim=2), 3))

if __name__ == "__main__":
    for engine in ("memory", "stream", "processes", "dask", "mesh"):
        fit = lt.fit(model, f"{folder}/*.parquet", engine=engine)
        print(f"{engine:10} {fit.log_likelihood:.8f}  {np.round(fit.model.prior.weights, 8)}")

# %% [markdown]
# An engine with options of its own takes the place of the word. All of these give the same bits,
# since they sum the same four partitions in the same order, and so would forty workers:
#
#     lt.data.Stream(partitions=4)
#     lt.data.Processes(workers=2, partitions=4)
#     lt.data.Dask(scheduler="tcp://10.0.0.1:8786", partitions=4)
#     lt.data.Dask(client, partitions=4)
#
# Partitions are cut between row groups of the files, so a file that is one large row group cannot
# be shared. The workers read the files themselves, by the same paths.
#
# The path may also lead to CSV, Arrow or npy files, known by their names; `lt.data.csv`,
# `lt.data.arrow`, `lt.data.npy` and `lt.data.zarr` open them with options. A Dask array or data
# frame is summed by `lt.data.Dask(client)` where its partitions are. Weights, known states and
# covariates are then columns, by name: `weights="w"`, `labels="y"`, `given=["u"]`. Sequences, for
# hidden Markov and state space models, are opened by `lt.data.parquet_sequences(path, "id")`, where
# the column `id` tells them apart. `lt.select(path, engine="dask")` compares numbers of components
# so, and `lt.write_answers` and `lt.write_draws` write what a model says, partition by partition.
#
# ## When something breaks
#
# An iteration is the same however often it is made. A worker that dies or freezes is replaced, and
# the pass is made again. With a checkpoint the parameters are saved after each pass, and a fit that
# was killed, or met a broken file, goes on where it was when it is called again.

# %%
if __name__ == "__main__":
    learner = lt.EM(checkpoint=str(folder / "fit.safetensors"))
    fit = lt.fit(model, folder, learner=learner)
    again = lt.fit(model, folder, learner=learner)
    print(fit.log_likelihood == again.log_likelihood)
