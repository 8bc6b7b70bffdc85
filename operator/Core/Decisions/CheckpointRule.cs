using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The next step of a suspension that may wait for a checkpoint.</summary>
public enum CheckpointStep
{
    /// <summary>Request a checkpoint now.</summary>
    Request,

    /// <summary>Wait for the answer to the open request.</summary>
    Wait,

    /// <summary>Suspend now.</summary>
    Stop,
}

/// <summary>
/// Requests a checkpoint before a suspension, if the workload can answer. The workload is suspended when it reports a checkpoint, at the
/// deadline, or when the budget no longer covers the wait.
/// </summary>
/// <remarks>
/// A request stays open until then, whatever estimates say, and no other workload is suspended for the same shortfall. It is withdrawn in
/// three cases: after an event that would also resume a suspended workload (<see cref="ResumeRule"/>), if the rules then no longer suspend
/// it; when this budget may no longer suspend it; or while no forecast can be made. So requests flap no more than suspensions do.
/// </remarks>
internal static class CheckpointRule
{
    /// <summary>
    /// Continues an open request. Runs after the limit test, which may suspend the workload first, and before the forecast test.
    /// </summary>
    public static void Evaluate(Plan plan, CostedWorkload workload)
    {
        var budget = plan.Budget;
        if (RequestOf(workload.Snapshot, budget) is not { } request || plan.IsSuspending(workload))
            return;
        if (!workload.Suspendable || workload.Snapshot.State is not (WorkloadState.Running or WorkloadState.Pending))
            return;
        var isIdle = request.For.Reason == Reasons.SuspendedIdle;
        if (isIdle && !WorkloadCost.IsSuspendableWhenIdle(workload.Snapshot, budget))
            return;
        // A paused forecast also pauses its requests. Otherwise they would end in a suspension on untrusted figures.
        if (request.For.ByForecast && !isIdle && budget.ForecastDoubt is not null)
            return;
        if (ResumeRule.Cause(workload.Snapshot with { Suspension = request.For }, budget, plan.Totals, plan.Memory) is not null)
            return;
        plan.SetNamedLimit(workload, request.For.EnoughLimit);
        plan.Suspend(workload, request.For.Reason, request.Sentence, request.For.ByForecast);
    }

    public static CheckpointStep StepOf(CostedWorkload workload, Plan plan)
    {
        var (snapshot, budget, totals) = (workload.Snapshot, plan.Budget, plan.Totals);
        if (
            snapshot.Class != WorkloadClass.Training
            || snapshot.State != WorkloadState.Running
            || snapshot.Suspension is { Confirmed: false }
        )
            return CheckpointStep.Stop;
        // A workload is stopped at once if the limit does not cover the wait.
        if (totals.Spent + totals.ImmediateOverspendBound >= totals.Allowed)
            return CheckpointStep.Stop;
        // A workload with a request can answer, even if its pods have not queried the agent since a restart.
        if (RequestOf(snapshot, budget) is { } request)
            return IsAcknowledged(snapshot, request) || budget.Now >= request.Deadline ? CheckpointStep.Stop : CheckpointStep.Wait;
        return
            snapshot.CanCheckpoint
            && budget.Terms.CheckpointGrace > TimeSpan.Zero
            && snapshot.BurnRate > HourlyCost.Zero
            && HasSomethingToSave(workload, budget)
            ? CheckpointStep.Request
            : CheckpointStep.Stop;
    }

    /// <summary>Returns how long the stop may wait for a checkpoint, as part of its cost.</summary>
    public static TimeSpan RemainingWait(WorkloadSnapshot workload, BudgetSnapshot budget)
    {
        if (workload.Class != WorkloadClass.Training || workload.Suspension is { Confirmed: false })
            return TimeSpan.Zero;
        if (RequestOf(workload, budget) is not { } request)
            return workload.CanCheckpoint ? budget.Terms.CheckpointGrace : TimeSpan.Zero;
        return IsAcknowledged(workload, request) || budget.Now >= request.Deadline ? TimeSpan.Zero : request.Deadline - budget.Now;
    }

    public static CheckpointRequest? RequestOf(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        budget.Memory.Checkpoints.GetValueOrDefault(workload.Key.Uid);

    /// <summary>Whether the request was acknowledged by name, or answered by any checkpoint written since.</summary>
    public static bool IsAcknowledged(WorkloadSnapshot workload, CheckpointRequest request) =>
        workload.CheckpointAcknowledged == request.Id || workload.Checkpoint is { } mark && mark.At >= request.Requested;

    public static CheckpointRequest Make(BudgetSnapshot budget, WorkloadSnapshot workload, string sentence, SuspendedSnapshot suspended)
    {
        var requested = DateTimeOffset.FromUnixTimeSeconds(budget.Now.ToUnixTimeSeconds());
        return new()
        {
            Id = CheckpointRequest.IdOf(budget.Namespace, budget.Name, requested),
            Work = workload.Key.DisplayName(budget.Namespace),
            Requested = requested,
            Deadline = requested + budget.Terms.CheckpointGrace,
            Sentence = sentence,
            For = suspended,
        };
    }

    /// <summary>Writes the annotation of an open request, and removes it if nothing is requested any more.</summary>
    public static void UpdateAnnotation(Plan plan, CostedWorkload workload)
    {
        var budget = plan.Budget;
        if (budget.Observes)
            return;
        var before = RequestOf(workload.Snapshot, budget);
        if (plan.Requests.TryGetValue(workload.Uid, out var request))
        {
            if (before?.Id != request.Id || workload.Snapshot.CheckpointAnnotation != request.Id)
                plan.RequestCheckpoint(workload, request);
            return;
        }
        // The suspension itself removes the annotation.
        if (plan.IsSuspending(workload))
            return;
        var stale =
            workload.Snapshot.CheckpointAnnotation is { } annotation && annotation.StartsWith(budget.Name + "/", StringComparison.Ordinal)
                ? annotation
                : null;
        var withdrawn = workload.Snapshot.State is WorkloadState.Running or WorkloadState.Pending ? before : null;
        if (withdrawn is not null || stale is not null)
            plan.WithdrawCheckpoint(workload, withdrawn, withdrawn?.Id ?? stale!);
    }

    /// <summary>A new job that does not fit has done nothing yet that a checkpoint could save.</summary>
    private static bool HasSomethingToSave(CostedWorkload workload, BudgetSnapshot budget) =>
        budget.Memory.Admitted.ContainsKey(workload.Uid) || workload.Snapshot.Spent > workload.Cost.ImmediateStopCost;
}
