using Bursar.Kube.Client;
using Bursar.Kube.Http;

namespace Bursar.Operator.Serving;

/// <summary>The loop of what looks after something: at a steady pace, and sooner after a look that failed.</summary>
internal static class Rounds
{
    /// <param name="client">Counts what is under way.</param>
    /// <param name="what">What is looked after.</param>
    /// <param name="time">The clock.</param>
    /// <param name="look">One look. False when it has to be tried again soon.</param>
    /// <param name="every">The pace.</param>
    /// <param name="retry">After a look that failed.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task RunAsync(KubeClient client, string what, TimeProvider time, Func<CancellationToken, Task<bool>> look, TimeSpan every, TimeSpan retry, CancellationToken cancellationToken)
    {
        using var unit = client.ActivityTracker?.Start(what);
        try
        {
            while (true)
            {
                var wait = await look(cancellationToken) ? every : retry;
                await ActivityUnit.DelayAsync(unit, time, wait, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The way this loop ends.
        }
    }
}
