using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>What the step of the ladder before a suspension says of one workload.</summary>
public enum CheckpointStep
{
    /// <summary>It is asked now, and waited for.</summary>
    Request,

    /// <summary>It was asked, has not answered, and there is time and money left.</summary>
    Wait,

    /// <summary>It is suspended now.</summary>
    Stop,
}

/// <summary>
/// The step before a suspension, for work that can answer: it is asked to write a checkpoint, and suspended when it says that one is
/// written, when its time is over, or when the money for waiting is.
/// </summary>
/// <remarks>
/// A request stands until then, whatever estimates say meanwhile, and keeps the money that its suspension saves: nobody else is chosen for
/// it. It is taken back only after an event that would also bring suspended work back (<see cref="ResumeRule"/>), and when the rules no
/// longer ask for its suspension then; or when the work is no longer this budget's to suspend; or while no forecast can be made. So requests
/// flap as little as suspensions do.
/// </remarks>
internal static class CheckpointRule
{
    /// <summary>Carries on what was asked for. Asked after the limit, which may have another word on it, and before the forecast.</summary>
    public static void Evaluate(Plan plan, CostedWorkload item)
    {
        var budget = plan.Budget;
        if (RequestOf(item.Work, budget) is not { } request || plan.IsSuspending(item))
            return;
        if (!item.Suspendable || item.Work.State is not (WorkloadState.Running or WorkloadState.Pending))
            return;
        // Forecasts pause, and so does what they asked for: it would else end in a suspension on figures that are not trusted.
        if (request.For.ByForecast && budget.ForecastDoubt is not null)
            return;
        if (ResumeRule.Cause(item.Work with { Suspension = request.For }, budget, plan.Totals, plan.Memory) is not null)
            return;
        plan.NameLimit(item, request.For.EnoughLimit);
        plan.Suspend(item, request.For.Reason, request.Sentence, request.For.ByForecast);
    }

    public static CheckpointStep StepOf(CostedWorkload item, Plan plan)
    {
        var (work, budget, balance) = (item.Work, plan.Budget, plan.Totals);
        if (work.Class != WorkloadClass.Training || work.State != WorkloadState.Running || work.Suspension is { Confirmed: false })
            return CheckpointStep.Stop;
        // What the limit leaves no money to wait for is stopped at once.
        if (balance.Spent + balance.SharpBound >= balance.Allowed)
            return CheckpointStep.Stop;
        // Who was asked could answer, also while, after a restart, nobody has said so again yet.
        if (RequestOf(work, budget) is { } request)
            return IsAcknowledged(work, request) || budget.Now >= request.Deadline ? CheckpointStep.Stop : CheckpointStep.Wait;
        return
            work.CanCheckpoint
            && budget.Terms.CheckpointGrace > TimeSpan.Zero
            && work.BurnRate > HourlyCost.Zero
            && HasSomethingToSave(item, budget)
            ? CheckpointStep.Request
            : CheckpointStep.Stop;
    }

    /// <summary>How long its stop may wait for a checkpoint, as part of what stopping it costs.</summary>
    public static TimeSpan WaitOf(WorkloadSnapshot work, BudgetSnapshot budget)
    {
        if (work.Class != WorkloadClass.Training || work.Suspension is { Confirmed: false })
            return TimeSpan.Zero;
        if (RequestOf(work, budget) is not { } request)
            return work.CanCheckpoint ? budget.Terms.CheckpointGrace : TimeSpan.Zero;
        return IsAcknowledged(work, request) || budget.Now >= request.Deadline ? TimeSpan.Zero : request.Deadline - budget.Now;
    }

    public static CheckpointRequest? RequestOf(WorkloadSnapshot work, BudgetSnapshot budget) =>
        budget.Memory.Checkpoints.GetValueOrDefault(work.Key.Uid);

    /// <summary>By its name, or by any checkpoint that was written since: who saved for another reason has saved.</summary>
    public static bool IsAcknowledged(WorkloadSnapshot work, CheckpointRequest request) =>
        work.CheckpointAcknowledged == request.Id || work.Checkpoint is { } mark && mark.At >= request.Requested;

    public static CheckpointRequest Make(BudgetSnapshot budget, WorkloadSnapshot work, string sentence, SuspendedSnapshot suspended)
    {
        var requested = DateTimeOffset.FromUnixTimeSeconds(budget.Now.ToUnixTimeSeconds());
        return new()
        {
            Id = CheckpointRequest.IdOf(budget.Name, requested),
            Work = $"{work.Key.Kind}/{work.Key.Name}",
            Requested = requested,
            Deadline = requested + budget.Terms.CheckpointGrace,
            Sentence = sentence,
            For = suspended,
        };
    }

    /// <summary>Mirrors of the request on the object: written where they are missing, taken off where nothing is asked any more.</summary>
    public static void Mirror(Plan plan, CostedWorkload item)
    {
        var budget = plan.Budget;
        if (budget.Observes)
            return;
        var before = RequestOf(item.Work, budget);
        if (plan.Requests.TryGetValue(item.Work.Key.Uid, out var request))
        {
            if (before?.Id != request.Id || item.Work.CheckpointAnnotation != request.Id)
                plan.RequestCheckpoint(item, request);
            return;
        }
        // A suspension takes the mirror off itself.
        if (plan.IsSuspending(item))
            return;
        var stale =
            item.Work.CheckpointAnnotation is { } annotation && annotation.StartsWith(budget.Name + "/", StringComparison.Ordinal)
                ? annotation
                : null;
        var withdrawn = item.Work.State is WorkloadState.Running or WorkloadState.Pending ? before : null;
        if (withdrawn is not null || stale is not null)
            plan.WithdrawCheckpoint(item, withdrawn, withdrawn?.Id ?? stale!);
    }

    /// <summary>A job that came and does not fit is held at once: it has done nothing yet that a checkpoint could hold.</summary>
    private static bool HasSomethingToSave(CostedWorkload item, BudgetSnapshot budget) =>
        budget.Memory.Admitted.ContainsKey(item.Work.Key.Uid) || item.Work.Spent > item.Cost.SharpStopCost;
}
