namespace Bursar.Core.Decisions;

/// <summary>
/// Announces once that forecasts pause, for the budget or for a job whose progress is not told any more, and once that they go on.
/// </summary>
internal static class ForecastPauses
{
    private const string Prefix = "paused:";
    private const string Metering = Prefix + "metering";

    /// <summary>More jobs than this are told of by the condition alone.</summary>
    private const int MostJobs = 10;

    public static void Evaluate(Plan plan)
    {
        var (budget, work, memory) = (plan.Budget, plan.Work, plan.Memory);
        var told = memory.Announced.Where(one => one.StartsWith(Prefix, StringComparison.Ordinal)).ToArray();
        var paused = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (budget.MeteringStale is not null)
            paused[Metering] = $"{Messages.Paused(budget)} Workloads keep running, and the hard limit applies.";
        foreach (var item in work.Where(w => w is { IsActiveJob: true, Work.Estimate.Stale: true }).Take(MostJobs))
            paused[Prefix + item.Work.Key.Uid] = $"{item.Work.Key.Kind}/{item.Work.Key.Name}: {Messages.ProgressStale(item)}";
        if (told.Length == 0 && paused.Count == 0 || told.Length == paused.Count && told.All(paused.ContainsKey))
            return;

        plan.Memory = memory with { Announced = [.. memory.Announced.Except(told).Concat(paused.Keys).Order(StringComparer.Ordinal)] };
        var news = paused
            .Where(one => !told.Contains(one.Key))
            .Select(one => new Announcement(
                Reasons.ForecastPaused,
                $"{budget.Window.Key}/{one.Key}/{budget.Now.ToUnixTimeSeconds()}",
                one.Value,
                Warning: true
            ));
        // Of a job that has ended nothing is to be told.
        var back = told.Where(one =>
                !paused.ContainsKey(one) && (one == Metering || work.Any(w => Prefix + w.Work.Key.Uid == one && w.IsActiveJob))
            )
            .Select(one => new Announcement(
                Reasons.ForecastResumed,
                $"{budget.Window.Key}/{one}/{budget.Now.ToUnixTimeSeconds()}",
                one == Metering
                    ? "Metering is up to date again; forecasts continue."
                    : $"{NameOf(work, one)}: its progress is reported again; its forecast continues.",
                Warning: false
            ));
        foreach (var one in news.Concat(back))
            plan.Announce(one);
    }

    private static string NameOf(IReadOnlyList<CostedWorkload> work, string told)
    {
        var key = work.First(w => Prefix + w.Work.Key.Uid == told).Work.Key;
        return $"{key.Kind}/{key.Name}";
    }
}
