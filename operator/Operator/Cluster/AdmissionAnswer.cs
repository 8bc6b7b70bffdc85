using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Operator.Cluster;

/// <summary>What one budget's decision means to a workload that Kueue asks about.</summary>
/// <param name="Admits">Whether it may start; else it waits for another decision, or is being suspended.</param>
/// <param name="Sentence">Why, with the sum.</param>
internal sealed record AdmissionAnswer(bool Admits, string Sentence)
{
    /// <summary>As the option <c>owners</c> names it.</summary>
    public const string OptionName = "AdmissionCheck";

    /// <summary>What an AdmissionCheck names in <c>spec.controllerName</c> to ask Bursar.</summary>
    public const string ControllerName = "bursar.dev/budget";

    /// <summary>Pure. Waits wherever the decision leaves a doubt that new spending should not come out of.</summary>
    public static AdmissionAnswer Of(BudgetDecision decision, WorkloadVerdict verdict, string budget, bool observes)
    {
        if (observes)
            return new(true, $"Budget {budget} only observes.");
        if (
            decision.Actions.FirstOrDefault(action => action.Kind == ActionKind.Suspend && action.Workload.Uid == verdict.Key.Uid) is
            { } suspending
        )
            return new(false, suspending.Sentence);
        // The check came to its queue after it: whether it runs on is its budget's matter, and no longer Kueue's.
        if (verdict.State == WorkloadState.Running)
            return new(true, $"It is running: {verdict.Sentence}");
        if (verdict.State != WorkloadState.Pending || verdict.Reason == Reasons.Queued)
            return new(false, verdict.Sentence);
        if (
            verdict.Class != WorkloadClass.Training
            || verdict.Reason is Reasons.Exempt or Reasons.NotSuspendable or Reasons.Unpriced or Reasons.Expired or Reasons.NotStarted
        )
            return new(true, $"Budget {budget}: {verdict.Sentence}");
        return decision.Memory.Admitted.ContainsKey(verdict.Key.Uid)
            ? new(
                true,
                $"Budget {budget} admits it: {verdict.CostToFinish.ToShortString()} {decision.Currency} to its end, {(decision.Limit - decision.Spent).ToShortString()} of {decision.Limit.ToShortString()} left in {Window.NameOf(decision.WindowKey)}."
            )
            : new(false, verdict.Sentence);
    }
}
