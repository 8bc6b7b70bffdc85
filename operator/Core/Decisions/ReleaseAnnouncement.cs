using Bursar.Core.Text;

namespace Bursar.Core.Decisions;

/// <summary>Announces once that a budget was released by its user, and once that it enforces again.</summary>
internal static class ReleaseAnnouncement
{
    public static void Evaluate(Plan plan)
    {
        var (budget, before) = (plan.Budget, plan.Memory.ReleasedAt);
        if (before == budget.ReleasedAt)
            return;
        plan.Memory = plan.Memory with { ReleasedAt = budget.ReleasedAt };
        plan.Announce(
            budget.ReleasedAt is { } at
                ? new(Reasons.EnforcementReleased, Rfc3339.Format(at), Messages.ReleasedByUser(budget), Warning: true)
                : new(
                    Reasons.EnforcementRestored,
                    Rfc3339.Format(before!.Value),
                    "The budget enforces again: its spec or its window is another one than when it was released, or the release was ended.",
                    Warning: false
                )
        );
    }
}
