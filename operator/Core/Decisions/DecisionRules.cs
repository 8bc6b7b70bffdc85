namespace Bursar.Core.Decisions;

/// <summary>A rule that compares workloads, or that concerns the budget as a whole.</summary>
internal delegate void BudgetRule(Plan plan);

/// <summary>A rule that judges each workload by itself.</summary>
internal delegate void WorkloadRule(Plan plan, CostedWorkload item);

/// <summary>
/// The rules of a decision in the order of their evaluation. A rule reads the plan, and adds verdicts, actions, announcements and memory to it.
/// A workload keeps the first verdict that suspends it or leaves it as it is, so the order is the priority of the rules.
/// </summary>
internal static class DecisionRules
{
    /// <summary>The verdicts on workloads while the window is open.</summary>
    public static readonly BudgetRule[] OpenWindow =
    [
        Each(SuspensionCheck.Evaluate), // a suspended workload whose pods keep running: nothing more can be done
        Each(UnfinishedRule.Evaluate), // a suspension that a crash interrupted: it is carried out as decided
        LimitRule.Evaluate, // the limit: suspends everything that can be suspended, and depends on no estimate
        Each(CheckpointRule.Evaluate), // a workload that was asked for a checkpoint: it stays chosen
        Each(UnknownDurationRule.Evaluate), // a new job of unknown duration, where the budget holds such jobs
        ForecastRule.Evaluate, // the forecast: suspends the jobs that exceed the limit, and admits the others
        ResumeRule.Evaluate, // suspended workloads that fit again: resumes them one at a time
        Each(CheckpointRule.Mirror), // requests for checkpoints: on the workloads that are asked, and on no others
    ];

    /// <summary>The verdicts on workloads before a single window has begun and after it has ended.</summary>
    public static readonly BudgetRule[] ClosedWindow =
    [
        Each(SuspensionCheck.Evaluate), // as above
        Each(KeepOutsideWindow), // everything else stays as it is
        Each(CheckpointRule.Mirror), // as above
    ];

    /// <summary>The announcements. They follow the verdicts, and Events appear in this order.</summary>
    public static readonly BudgetRule[] Announcements =
    [
        BudgetMemoryUpdate.ReportObserved, // actions that Observe mode does not take
        Thresholds.Evaluate, // a threshold of spent or projected cost
        PriceTrust.Evaluate, // prices that are not trusted, or are again
        ForecastPauses.Evaluate, // forecasts that pause or continue
        SuspensionCheck.Announce, // suspensions that have no effect
        ReleaseAnnouncement.Evaluate, // a budget that its user released, or that enforces again
        AnnounceWarnings, // jobs that the forecast suspends after the settle time
        LimitWarnings.AnnounceNextWindow, // jobs that the next window does not cover
        LimitWarnings.Announce, // a limit that will be reached, and spending beyond it
    ];

    private static BudgetRule Each(WorkloadRule rule) =>
        plan =>
        {
            foreach (var item in plan.Work)
                rule(plan, item);
        };

    private static void KeepOutsideWindow(Plan plan, CostedWorkload item)
    {
        var reason = plan.Budget.Now < plan.Budget.Window.Start ? Reasons.NotStarted : Reasons.Expired;
        plan.Keep(item, reason, Messages.Kept(item, reason, plan.Budget));
    }

    private static void AnnounceWarnings(Plan plan)
    {
        foreach (var warning in plan.Warnings)
            plan.Announce(warning);
    }
}
