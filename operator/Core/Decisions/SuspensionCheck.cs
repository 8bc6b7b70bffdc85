namespace Bursar.Core.Decisions;

/// <summary>A suspended workload whose pods keep running.</summary>
/// <param name="Since">When that was first seen.</param>
/// <param name="Reported">The number of Events about it.</param>
public sealed record RunsOn(DateTimeOffset Since, int Reported = 0);

/// <summary>
/// Checks that a suspension takes effect. A workload whose pods are not deleted, or do not end, counts as suspended for its termination
/// grace plus <see cref="Patience"/>. After that it counts as running and cannot be suspended, until its pods end.
/// </summary>
public static class SuspensionCheck
{
    /// <summary>How long a controller may take to delete the pods, in addition to their termination grace.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>The pause after the first Event. Each further Event doubles it, up to 32 times as long.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMinutes(10);

    private const int MostDoublings = 5;

    /// <summary>
    /// Returns since when the pods of a workload have kept running, if that is longer than a suspension may take, otherwise null.
    /// </summary>
    public static DateTimeOffset? NotFollowedSince(BudgetMemory memory, string uid, TimeSpan terminationGrace, DateTimeOffset now) =>
        memory.RunsOn.TryGetValue(uid, out var seen) && now - seen.Since > Patience + terminationGrace ? seen.Since : null;

    /// <summary>Gives such a workload its verdict before any other rule.</summary>
    internal static void Evaluate(Plan plan, CostedWorkload workload)
    {
        if (workload.Snapshot.IgnoresSuspension)
            plan.Keep(workload, Reasons.SuspensionNotFollowed, Messages.NotFollowed(workload, plan.Budget));
    }

    /// <summary>Remembers since when pods keep running, and reports those that do so for too long, with growing pauses.</summary>
    internal static void Announce(Plan plan)
    {
        var (budget, before) = (plan.Budget, plan.Memory.RunsOn);
        var seen = new SortedDictionary<string, RunsOn>(StringComparer.Ordinal);
        foreach (var workload in plan.Workloads)
        {
            var uid = workload.Uid;
            before.TryGetValue(uid, out var known);
            if (!workload.Snapshot.RunsOn)
            {
                if (known is { Reported: > 0 })
                    plan.Announce(Create(workload, known, Reasons.SuspensionFollowed, Messages.Followed(workload), warning: false));
                continue;
            }
            known ??= new(budget.Now);
            if (
                workload.Snapshot.IgnoresSuspension
                && budget.Now - known.Since > Patience + workload.Snapshot.TerminationGrace + PausesBefore(known.Reported)
            )
            {
                plan.Announce(
                    Create(workload, known, Reasons.SuspensionNotFollowed, Messages.NotFollowed(workload, plan.Budget), warning: true)
                );
                known = known with { Reported = known.Reported + 1 };
            }
            seen[uid] = known;
        }
        if (seen.Count != before.Count || seen.Any(entry => !before.TryGetValue(entry.Key, out var known) || known != entry.Value))
            plan.Memory = plan.Memory with { RunsOn = seen };

        Announcement Create(CostedWorkload workload, RunsOn known, string reason, string sentence, bool warning) =>
            new(reason, $"{budget.Name}/{workload.Uid}/{known.Since.ToUnixTimeSeconds()}", sentence, warning, workload.Snapshot.Key);
    }

    private static TimeSpan PausesBefore(int reported)
    {
        var doubled = Math.Min(reported, MostDoublings);
        return FirstPause * ((1 << doubled) - 1 + (reported - doubled) * (1 << MostDoublings));
    }
}
