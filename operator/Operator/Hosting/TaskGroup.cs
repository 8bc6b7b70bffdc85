using Bursar.Kube.Http;

namespace Bursar.Operator.Hosting;

/// <summary>Runs loops side by side: when one ends or fails, the others are cancelled and its failure is what comes out.</summary>
public static class TaskGroup
{
    public static async Task RunAsync(
        ActivityTracker? activity,
        CancellationToken cancellationToken,
        params IReadOnlyList<Func<CancellationToken, Task>> loops
    )
    {
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = loops.Select(loop => ActivityTracker.Run(activity, "a loop", () => loop(all.Token))).ToArray();
        var first = await Task.WhenAny(running);
        await all.CancelAsync();
        await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (first.IsFaulted)
            await first;
        cancellationToken.ThrowIfCancellationRequested();
    }
}
