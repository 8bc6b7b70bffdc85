using System.Text.Json.Serialization;
using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

public enum EnforcementMode
{
    Enforce,
    Observe,
}

public enum UnknownDuration
{
    UntilExhausted,
    RunToWindowEnd,
    Hold,
}

public enum SuspendWhen
{
    Likely,
    Certain,
}

public enum VictimOrder
{
    LeastLost,
    LowestPriority,
}

public enum ResumePolicy
{
    Automatic,
    Manual,
}

public enum WhenExhausted
{
    [JsonStringEnumMemberName("Floor")]
    MinReplicas,
    Zero,
}

/// <summary>The treatment of new GPU pods that Bursar could not suspend, once the budget is used up.</summary>
public enum NewPodsWhenExhausted
{
    Report,
    Gate,
}

/// <summary>The treatment of a workload whose GPUs are idle.</summary>
public enum IdleAction
{
    Report,
    Suspend,
}

/// <summary>When a workload is idle, and what happens then.</summary>
/// <param name="After">How long all its GPUs must have been idle.</param>
/// <param name="BelowPercent">A GPU is idle while it works less than this share of the time.</param>
public sealed record IdleTerms(TimeSpan After, int BelowPercent, IdleAction Action);

/// <summary>Budget added to one window only, identified by the window's key (<c>2026-11</c>).</summary>
public sealed record TopUp(Amount Amount, string Window, string Reason);

/// <param name="MaxPercent">The largest request, in percent of the limit without additions.</param>
/// <param name="PerWindow">The most such requests in one window.</param>
public sealed record AutoApprove(int MaxPercent, int PerWindow);

/// <summary>The parsed and validated spec of a budget, with defaults.</summary>
public sealed record BudgetTerms
{
    public required Amount Limit { get; init; }

    /// <summary>The usage that the limit counts.</summary>
    public CountedUsage Counted { get; set; } = CountedUsage.Cost;

    public IReadOnlyList<TopUp> TopUps { get; set; } = [];

    public required WindowSpec Window { get; init; }

    /// <summary>The most that a window carries over from the window before, in percent of the limit without top-ups.</summary>
    public int RolloverPercent { get; init; }

    /// <summary>The most that the budget may owe to others. Null: it does not borrow.</summary>
    public Amount? BorrowingLimit { get; init; }

    /// <summary>The most that the budget lends in one window. Null: it lends nothing.</summary>
    public Amount? LendingLimit { get; init; }

    /// <summary>The requests that need no approval by a user. Null: every request does.</summary>
    public AutoApprove? AutoApprove { get; init; }

    public EnforcementMode Mode { get; set; } = EnforcementMode.Enforce;

    public IReadOnlyList<int> Thresholds { get; set; } = [50, 80, 100];

    public UnknownDuration UnknownDuration { get; set; } = UnknownDuration.UntilExhausted;

    public SuspendWhen SuspendWhen { get; set; } = SuspendWhen.Likely;

    public int TolerancePercent { get; init; }

    public TimeSpan Settle { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The order of suspensions among workloads of one group and priority.</summary>
    public VictimOrder Victims { get; set; } = VictimOrder.LeastLost;

    public ResumePolicy Resume { get; set; } = ResumePolicy.Automatic;

    public int HeadroomPercent { get; set; } = 5;

    /// <summary>How long a workload that can answer a checkpoint request may take. Zero: no checkpoints are requested.</summary>
    public TimeSpan CheckpointGrace { get; set; } = TimeSpan.FromMinutes(5);

    public WhenExhausted WhenExhausted { get; set; } = WhenExhausted.MinReplicas;

    public NewPodsWhenExhausted NewPods { get; set; } = NewPodsWhenExhausted.Report;

    /// <summary>Null: idle workloads are neither reported nor suspended.</summary>
    public IdleTerms? Idle { get; init; }
}
