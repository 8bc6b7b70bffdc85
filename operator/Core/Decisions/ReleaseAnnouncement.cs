using Bursar.Core.Text;

namespace Bursar.Core.Decisions;

/// <summary>Announces once that a budget was released by its user, and once that it enforces again.</summary>
public static class ReleaseAnnouncement
{
    public static IReadOnlyList<Announcement> Announce(BudgetSnapshot budget, ref BudgetMemory memory)
    {
        if (memory.ReleasedAt == budget.ReleasedAt)
            return [];
        var before = memory.ReleasedAt;
        memory = memory with { ReleasedAt = budget.ReleasedAt };
        return budget.ReleasedAt is { } at
            ? [new(Reasons.EnforcementReleased, Rfc3339.Format(at), Sentences.ReleasedByUser(budget), Warning: true)]
            :
            [
                new(
                    Reasons.EnforcementRestored,
                    Rfc3339.Format(before!.Value),
                    "The budget enforces again: its spec or its window is another one than when it was released, or the release was ended.",
                    Warning: false
                ),
            ];
    }
}
