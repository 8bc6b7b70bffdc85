namespace Bursar.Concurrency;

/// <summary>Starts concurrent work that virtual time waits for.</summary>
public static class TaskGroup
{
    /// <summary>
    /// Runs loops until one of them ends or fails, then cancels the others. Throws the failure of the first after all have ended.
    /// </summary>
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

    /// <summary>Runs work in the calling flow. Virtual time advances only while the work waits with a type of this namespace.</summary>
    public static async Task RunAsync(TimeProvider time, string name, Func<Task> work)
    {
        using var unit = ActivityTracker.From(time)?.Join(name);
        await work().ConfigureAwait(false);
    }

    /// <summary>
    /// Runs work on the thread pool, independent of the calling flow's unit. Virtual time advances only while the work waits with a type
    /// of this namespace.
    /// </summary>
    public static Task Start(TimeProvider time, string name, Func<Task> work)
    {
        var unit = ActivityTracker.From(time)?.Create(name);
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
    /// Runs work on the thread pool, independent of the calling flow's unit. Virtual time does not advance until the first await of the
    /// work. From then on, the work must have units of its own.
    /// </summary>
    public static Task Launch(TimeProvider time, string name, Func<Task> work)
    {
        var starting = ActivityTracker.From(time)?.Create("starting", name);
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

    /// <summary>Waits for work that has units of its own.</summary>
    public static async Task WaitAsync(TimeProvider time, string name, Func<Task> others)
    {
        using var unit = ActivityTracker.From(time)?.Join("waiting for", name);
        unit?.Pause();
        await others().ConfigureAwait(false);
    }

    /// <summary>Processes each item, at most <paramref name="atOnce"/> at the same time.</summary>
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
