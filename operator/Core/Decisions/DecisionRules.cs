namespace Bursar.Core.Decisions;

/// <summary>A rule that compares workloads, or that concerns the budget as a whole.</summary>
internal delegate void BudgetRule(Plan plan);

/// <summary>A rule that judges each workload by itself.</summary>
internal delegate void WorkloadRule(Plan plan, CostedWorkload workload);

/// <summary>
/// The rules of a decision, in the order of their evaluation. A rule reads the plan and adds verdicts, actions, announcements and memory to
/// it. A workload keeps the first verdict that suspends it or leaves it as it is, so the order is the priority of the rules.
/// </summary>
internal static class DecisionRules
{
    /// <summary>The verdicts on workloads while the window is open.</summary>
    public static readonly BudgetRule[] OpenWindow =
    [
        Each(SuspensionCheck.Evaluate), // a suspended workload whose pods keep running: counts as running, cannot be suspended
        Each(UnfinishedRule.Evaluate), // a suspension that a crash interrupted: carried out as decided
        LimitRule.Evaluate, // the limit: suspends everything that can be suspended, and depends on no estimate
        Each(CheckpointRule.Evaluate), // a workload with a checkpoint request: stays selected for suspension
        Each(IdleRule.Evaluate), // a workload whose GPUs are idle: suspended if the budget says so
        Each(UnknownDurationRule.Evaluate), // a new job of unknown duration: suspended if the budget says Hold
        ForecastRule.Evaluate, // the forecast: suspends the jobs that exceed the limit, and admits the others
        ResumeRule.Evaluate, // suspended workloads that fit again: resumes them one at a time
        ForecastRule.SuspendReleasedReservations, // jobs of other budgets whose reservation is used: suspends them too
        Each(CheckpointRule.UpdateAnnotation), // checkpoint annotations: written for open requests, removed otherwise
    ];

    /// <summary>The verdicts on workloads before a single window has begun and after it has ended.</summary>
    public static readonly BudgetRule[] ClosedWindow =
    [
        Each(SuspensionCheck.Evaluate), // as above
        Each(KeepOutsideWindow), // everything else stays as it is
        Each(CheckpointRule.UpdateAnnotation), // as above
    ];

    /// <summary>The announcements. They follow the verdicts, and Events appear in this order.</summary>
    public static readonly BudgetRule[] Announcements =
    [
        BudgetMemoryUpdate.ReportObserved, // actions that Observe mode does not take
        Thresholds.Evaluate, // a threshold of spent or projected cost
        PriceTrust.Evaluate, // prices that are not trusted, or are again
        ForecastPauses.Evaluate, // forecasts that pause or continue
        SuspensionCheck.Announce, // suspensions that have no effect
        IdleRule.Announce, // workloads whose GPUs are idle and that keep running
        ReleaseAnnouncement.Evaluate, // a budget that its user released, or that enforces again
        AnnounceWarnings, // jobs that the forecast suspends after the settle time
        LimitWarnings.AnnounceNextWindow, // jobs that the next window does not cover
        SpendingForecast.Announce, // a window that is forecast to cost more than the limit
        LoanRule.Announce, // money lent to another budget, or repaid
        LimitWarnings.Announce, // a limit that will be reached, and spending beyond it
    ];

    private static BudgetRule Each(WorkloadRule rule) =>
        plan =>
        {
            foreach (var workload in plan.Workloads)
                rule(plan, workload);
        };

    private static void KeepOutsideWindow(Plan plan, CostedWorkload workload)
    {
        var reason = plan.Budget.Now < plan.Budget.Window.Start ? Reasons.NotStarted : Reasons.Expired;
        plan.Keep(workload, reason, Messages.Kept(workload, reason, plan.Budget));
    }

    private static void AnnounceWarnings(Plan plan)
    {
        foreach (var warning in plan.Warnings)
            plan.Announce(warning);
    }
}
