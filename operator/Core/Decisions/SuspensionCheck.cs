namespace Bursar.Core.Decisions;

/// <summary>A suspended workload whose pods run on.</summary>
/// <param name="Since">When that was first seen.</param>
/// <param name="Reported">How many Events have said so.</param>
public sealed record RunsOn(DateTimeOffset Since, int Reported = 0);

/// <summary>
/// Checks that a suspension has an effect. A workload whose pods are not deleted, or do not end, counts as suspended for its termination
/// grace and <see cref="Patience"/>. After that it counts as running and cannot be suspended, until its pods end.
/// </summary>
public static class SuspensionCheck
{
    /// <summary>How long a controller may take to delete the pods, beside their termination grace.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>The pause after the first Event. It doubles with each further one, up to 32 times as long.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMinutes(10);

    private const int MostDoublings = 5;

    /// <summary>Since when the pods of a workload run on, where that is longer than its suspension may take; null otherwise.</summary>
    public static DateTimeOffset? NotFollowedSince(BudgetMemory memory, string uid, TimeSpan terminationGrace, DateTimeOffset now) =>
        memory.RunsOn.TryGetValue(uid, out var seen) && now - seen.Since > Patience + terminationGrace ? seen.Since : null;

    /// <summary>Gives such work its verdict before any other rule looks at it.</summary>
    internal static void Evaluate(Plan plan, CostedWorkload item)
    {
        if (item.Work.IgnoresSuspension)
            plan.Keep(item, Reasons.SuspensionNotFollowed, Messages.NotFollowed(item));
    }

    /// <summary>Remembers since when pods run on, and reports those that do so for too long: at once, then with growing pauses.</summary>
    internal static void Announce(Plan plan)
    {
        var (budget, before) = (plan.Budget, plan.Memory.RunsOn);
        var seen = new SortedDictionary<string, RunsOn>(StringComparer.Ordinal);
        foreach (var item in plan.Work)
        {
            var uid = item.Work.Key.Uid;
            before.TryGetValue(uid, out var known);
            if (!item.Work.RunsOn)
            {
                if (known is { Reported: > 0 })
                    plan.Announce(Of(item, known, Reasons.SuspensionFollowed, Messages.Followed(item), warning: false));
                continue;
            }
            known ??= new(budget.Now);
            if (
                item.Work.IgnoresSuspension
                && budget.Now - known.Since > Patience + item.Work.TerminationGrace + PausesBefore(known.Reported)
            )
            {
                plan.Announce(Of(item, known, Reasons.SuspensionNotFollowed, Messages.NotFollowed(item), warning: true));
                known = known with { Reported = known.Reported + 1 };
            }
            seen[uid] = known;
        }
        if (seen.Count != before.Count || seen.Any(one => !before.TryGetValue(one.Key, out var known) || known != one.Value))
            plan.Memory = plan.Memory with { RunsOn = seen };

        Announcement Of(CostedWorkload item, RunsOn known, string reason, string sentence, bool warning) =>
            new(reason, $"{budget.Name}/{item.Work.Key.Uid}/{known.Since.ToUnixTimeSeconds()}", sentence, warning, item.Work.Key);
    }

    private static TimeSpan PausesBefore(int reported)
    {
        var doubled = Math.Min(reported, MostDoublings);
        return FirstPause * ((1 << doubled) - 1 + (reported - doubled) * (1 << MostDoublings));
    }
}
