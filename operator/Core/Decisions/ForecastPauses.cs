namespace Bursar.Core.Decisions;

/// <summary>
/// Announces once that forecasts pause, for the budget or for a job without current progress, and once that they continue.
/// </summary>
internal static class ForecastPauses
{
    private const string Prefix = "paused:";
    private const string Metering = Prefix + "metering";

    /// <summary>Further jobs are reported by the condition only.</summary>
    private const int MostJobs = 10;

    public static void Evaluate(Plan plan)
    {
        var (budget, workloads, memory) = (plan.Budget, plan.Workloads, plan.Memory);
        var announced = memory.Announced.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal)).ToArray();
        var paused = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (budget.MeteringStale is not null)
            paused[Metering] = $"{Messages.Paused(budget)} Workloads keep running, and the hard limit applies.";
        foreach (
            var workload in workloads.Where(workload => workload is { IsActiveJob: true, Snapshot.Estimate.Stale: true }).Take(MostJobs)
        )
            paused[Prefix + workload.Uid] = $"{workload.DisplayName}: {Messages.ProgressStale(workload)}";
        if (announced.Length == 0 && paused.Count == 0 || announced.Length == paused.Count && announced.All(paused.ContainsKey))
            return;

        plan.Memory = memory with { Announced = [.. memory.Announced.Except(announced).Concat(paused.Keys).Order(StringComparer.Ordinal)] };
        var news = paused
            .Where(pause => !announced.Contains(pause.Key))
            .Select(pause => new Announcement(
                Reasons.ForecastPaused,
                $"{budget.Window.Key}/{pause.Key}/{budget.Now.ToUnixTimeSeconds()}",
                pause.Value,
                Warning: true
            ));
        // A job that has ended needs no announcement.
        var continued = announced
            .Where(key =>
                !paused.ContainsKey(key)
                && (key == Metering || workloads.Any(workload => Prefix + workload.Uid == key && workload.IsActiveJob))
            )
            .Select(key => new Announcement(
                Reasons.ForecastResumed,
                $"{budget.Window.Key}/{key}/{budget.Now.ToUnixTimeSeconds()}",
                key == Metering
                    ? "Metering is up to date again; forecasts continue."
                    : $"{NameOf(workloads, key)}: its progress is reported again; its forecast continues.",
                Warning: false
            ));
        foreach (var announcement in news.Concat(continued))
            plan.Announce(announcement);
    }

    private static string NameOf(IReadOnlyList<CostedWorkload> workloads, string announced) =>
        workloads.First(workload => Prefix + workload.Uid == announced).DisplayName;
}
