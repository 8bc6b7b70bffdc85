using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Operator.Cluster;

/// <summary>A budget's decision as an answer to Kueue's AdmissionCheck.</summary>
/// <param name="Admits">Whether the workload may start. Otherwise it waits for another decision, or is being suspended.</param>
/// <param name="Sentence">The reason, with the amounts.</param>
internal sealed record AdmissionAnswer(bool Admits, string Sentence)
{
    /// <summary>The name in the option <c>managers</c>.</summary>
    public const string OptionName = "AdmissionCheck";

    /// <summary>The <c>spec.controllerName</c> of AdmissionChecks that Bursar answers.</summary>
    public const string ControllerName = "bursar.dev/budget";

    /// <summary>Returns the answer for one workload. In doubt it waits, because a start would add cost.</summary>
    public static AdmissionAnswer From(BudgetDecision decision, WorkloadVerdict verdict, string budget, bool observes)
    {
        if (observes)
            return new(true, $"Budget {budget} only observes.");
        if (
            decision.Actions.FirstOrDefault(action => action.Kind == ActionKind.Suspend && action.Workload.Uid == verdict.Key.Uid) is
            { } suspending
        )
            return new(false, suspending.Sentence);
        // The check was added after the workload started. The budget decides from then on, not Kueue.
        if (verdict.State == WorkloadState.Running)
            return new(true, "It is running already.");
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
