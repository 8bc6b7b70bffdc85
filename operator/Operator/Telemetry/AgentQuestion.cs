using Bursar.Kube.Http;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// One question to an agent. It is under way for simulated time, except while an agent in the same process lets it wait for news.
/// </summary>
internal static class AgentQuestion
{
    /// <summary>For a caller that holds a unit of activity: the question stands in for it.</summary>
    /// <param name="tracker">Counts; null outside of simulated time.</param>
    /// <param name="what">What is asked for, for the message about a world that does not come to rest.</param>
    /// <param name="ask">Asks under the name that is given to it.</param>
    public static async Task<T> AskAsync<T>(ActivityTracker? tracker, string what, Func<Guid?, Task<T>> ask)
    {
        if (tracker is null)
            return await ask(null);
        using var unit = tracker.Start(what);
        tracker.End(Wakeup.What);
        try
        {
            return await ask(unit.Ask());
        }
        finally
        {
            tracker.Begin(Wakeup.What);
        }
    }
}
