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
        var tracker = ActivityTracker.Of(time);
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = loops.Select(loop => ActivityTracker.Run(tracker, "a loop", () => loop(all.Token))).ToArray();
        // The loops count themselves.
        using var waiting = tracker?.Join("waiting for loops");
        waiting?.Pause();
        var first = await Task.WhenAny(running).ConfigureAwait(false);
        await all.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (first.IsFaulted)
            await first.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Runs work on the pool, apart from what its starter does. Virtual time passes only while the work waits by a type of this namespace.</summary>
    public static Task Start(TimeProvider time, string name, Func<Task> work)
    {
        var unit = ActivityTracker.Of(time)?.Make(name);
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
            async (item, token) =>
            {
                using var unit = ActivityTracker.Of(time)?.Join("one of", typeof(T).Name);
                await body(item, token).ConfigureAwait(false);
            }
        );
}
