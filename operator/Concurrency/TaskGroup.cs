namespace Bursar.Concurrency;

/// <summary>Work side by side.</summary>
public static class TaskGroup
{
    /// <summary>Runs loops until one of them ends or fails. Then the others are cancelled, and its failure is thrown once they have ended.</summary>
    public static async Task RunAsync(
        TimeProvider time,
        CancellationToken cancellationToken,
        params IReadOnlyList<Func<CancellationToken, Task>> loops
    )
    {
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = loops.Select(loop => Launch(time, "a loop", () => loop(all.Token))).ToArray();
        Task first = running[0];
        await WaitAsync(time, "loops", async () =>
            {
                first = await Task.WhenAny(running).ConfigureAwait(false);
                await all.CancelAsync().ConfigureAwait(false);
                await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            })
            .ConfigureAwait(false);
        if (first.IsFaulted)
            await first.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Runs work in the calling flow. Virtual time passes only while the work waits by a type of this namespace.</summary>
    public static async Task RunAsync(TimeProvider time, string name, Func<Task> work)
    {
        using var unit = ActivityTracker.From(time)?.Join(name);
        await work().ConfigureAwait(false);
    }

    /// <summary>Runs work on the pool, apart from what its starter does. Virtual time passes only while the work waits by a type of this namespace.</summary>
    public static Task Start(TimeProvider time, string name, Func<Task> work)
    {
        var unit = ActivityTracker.From(time)?.Make(name);
        using var apart = ExecutionContext.SuppressFlow();
        return Task.Run(
            async () =>
            {
                using (unit)
                using (unit?.Carry())
                    await work().ConfigureAwait(false);
            },
            CancellationToken.None
        );
    }

    /// <summary>
    /// Runs work on the pool, apart from what its starter does. Virtual time stands still until the work waits for the first time. From then
    /// on the work counts by itself what it does.
    /// </summary>
    public static Task Launch(TimeProvider time, string name, Func<Task> work)
    {
        var starting = ActivityTracker.From(time)?.Make("starting", name);
        using var apart = ExecutionContext.SuppressFlow();
        return Task.Run(
            () =>
            {
                using (starting)
                    return work();
            },
            CancellationToken.None
        );
    }

    /// <summary>Waits for work that counts for virtual time by itself.</summary>
    public static async Task WaitAsync(TimeProvider time, string name, Func<Task> others)
    {
        using var unit = ActivityTracker.From(time)?.Join("waiting for", name);
        unit?.Pause();
        await others().ConfigureAwait(false);
    }

    /// <summary>Does something with each item, a few at a time.</summary>
    public static Task ForEachAsync<T>(
        TimeProvider time,
        IEnumerable<T> items,
        int atOnce,
        Func<T, CancellationToken, Task> body,
        CancellationToken cancellationToken
    ) =>
        Parallel.ForEachAsync(
            items,
            new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellationToken },
            (item, token) => new ValueTask(RunAsync(time, typeof(T).Name, () => body(item, token)))
        );
}
