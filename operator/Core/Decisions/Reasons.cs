namespace Bursar.Core.Decisions;

/// <summary>The reasons in Events, conditions, metrics and logs.</summary>
public static class Reasons
{
    // Why a workload is suspended.
    /// <summary>The rest of its run costs more than is left of the budget.</summary>
    public const string ProjectedOverBudget = "ProjectedOverBudget";

    /// <summary>A new job needs more than is left of the budget and waits suspended.</summary>
    public const string DoesNotFit = "DoesNotFit";

    /// <summary>Its duration is unknown and the budget suspends such jobs.</summary>
    public const string UnknownDuration = "UnknownDuration";

    /// <summary>All its GPUs were idle, and the budget suspends such workloads.</summary>
    public const string SuspendedIdle = "Idle";

    /// <summary>The amount spent plus the stop cost has reached the limit.</summary>
    public const string BudgetExhausted = "BudgetExhausted";

    /// <summary>Another actor resumed it, and it still does not fit.</summary>
    public const string SuspendedAgain = "SuspendedAgain";

    // Why a suspended workload resumes.
    public const string BudgetRaised = "BudgetRaised";
    public const string NewWindow = "NewWindow";
    public const string BudgetAvailable = "BudgetAvailable";
    public const string Approved = "Approved";

    /// <summary>The budget may no longer suspend it: it is exempt now, or inference that stays at minimum replicas.</summary>
    public const string Released = "Released";

    /// <summary>The ledger lost the record of a suspension, and it was recorded again.</summary>
    public const string RecordRestored = "RecordRestored";

    /// <summary>It was suspended because its duration was unknown, and now it is known.</summary>
    public const string DurationKnown = "DurationKnown";

    /// <summary>Its rate fell because of a lower price or fewer GPUs.</summary>
    public const string CostFell = "CostFell";

    /// <summary>It has fitted the budget for ten minutes without interruption.</summary>
    public const string FitsAgain = "FitsAgain";
    public const string SpendRolledOff = "SpendRolledOff";

    // Why a workload stays as it is.
    public const string Fits = "Fits";
    public const string WaitingForBudget = "WaitingForBudget";
    public const string NeverFits = "NeverFits";
    public const string WaitingForApproval = "WaitingForApproval";
    public const string NotSuspendable = "NotSuspendable";
    public const string Exempt = "Exempt";
    public const string MinimumReplicas = "MinimumReplicas";
    public const string SuspendedByOther = "SuspendedByOther";

    /// <summary>Its pods keep running after the suspension. It counts as running and cannot be suspended.</summary>
    public const string SuspensionNotFollowed = "SuspensionNotFollowed";

    /// <summary>An Event: a suspension reported as not followed has taken effect, or the workload may run again.</summary>
    public const string SuspensionFollowed = "SuspensionFollowed";

    /// <summary>Another budget has suspended it. This one would let it run and keeps its reservation.</summary>
    public const string SuspendedByOtherBudget = "SuspendedByOtherBudget";
    public const string Settling = "Settling";
    public const string AlmostDone = "AlmostDone";
    public const string ForecastPaused = "ForecastPaused";
    public const string BreakerOpen = "BreakerOpen";
    public const string Observing = "Observing";
    public const string Contested = "Contested";
    public const string ReservationReleased = "ReservationReleased";

    /// <summary>Its queue's controller (Kueue) has not admitted it. Nothing is reserved for it until then.</summary>
    public const string Queued = "Queued";

    /// <summary>An annotation of a workload has no effect, because it cannot be read or is unknown.</summary>
    public const string AnnotationIgnored = "AnnotationIgnored";

    /// <summary>It will be suspended after the checkpoint that was requested.</summary>
    public const string CheckpointRequested = "CheckpointRequested";

    /// <summary>The checkpoint request was withdrawn: the budget covers the workload again, or may no longer suspend it.</summary>
    public const string CheckpointWithdrawn = "CheckpointWithdrawn";

    // Why the budget is in its state: reasons of its conditions. Those of Ready are its STATE.
    public const string OnTrack = "OnTrack";
    public const string ProjectedOver = "ProjectedOver";

    /// <summary>At the current rates the limit is reached before the window ends.</summary>
    public const string AtRisk = "AtRisk";

    /// <summary>More than the limit is spent and workloads keep running.</summary>
    public const string Overspent = "Overspent";

    /// <summary>Everything is within the limit because some workloads are suspended.</summary>
    public const string WorkloadsSuspended = "WorkloadsSuspended";
    public const string Exhausted = "Exhausted";
    public const string NotStarted = "NotStarted";
    public const string Expired = "Expired";
    public const string InvalidSpec = "InvalidSpec";

    /// <summary>The label of <c>spec.perLabel</c> has more values than can have a limit.</summary>
    public const string TooManyLabelValues = "TooManyLabelValues";

    /// <summary>Its user released it. It suspends nothing until its spec changes, its window ends or the release is ended.</summary>
    public const string EnforcementReleased = "EnforcementReleased";

    /// <summary>An Event: the release is over.</summary>
    public const string EnforcementRestored = "EnforcementRestored";

    /// <summary>The ledger cannot be written. Nothing is suspended or resumed, and what is counted from now on may be lost.</summary>
    public const string LedgerNotWritable = "LedgerNotWritable";
    public const string Fresh = "Fresh";

    /// <summary>Usage times are current, but some nodes have no source of GPU usage. Billing and forecasts continue.</summary>
    public const string AgentMissing = "AgentMissing";
    public const string NodeLost = "NodeLost";
    public const string Priced = "Priced";
    public const string Unpriced = "Unpriced";

    /// <summary>A limit counts CO2e, and the price book has no grid intensity.</summary>
    public const string NoGridIntensity = "NoGridIntensity";

    /// <summary>Nodes have a resource that looks like a GPU and is not in the table of GPU resources.</summary>
    public const string UnknownGpuResource = "UnknownGpuResource";

    /// <summary>Spot or reserved nodes are charged at an on-demand rate. Amounts are an upper bound, and forecasts continue.</summary>
    public const string ChargedAsOnDemand = "ChargedAsOnDemand";

    /// <summary>The guard rejected the price book, or there is no book. The last trusted prices stay in force.</summary>
    public const string PricesUntrusted = "PricesUntrusted";
    public const string PricesTrusted = "PricesTrusted";
    public const string AllSuspendable = "AllSuspendable";
    public const string UnstoppableWorkloads = "UnstoppableWorkloads";
    public const string MinimumReplicasExceedLimit = "MinimumReplicasExceedLimit";
    public const string ChildLimitsExceedLimit = "ChildLimitsExceedLimit";

    /// <summary>The window is forecast to cost more than the limit, with workloads that have not started yet.</summary>
    public const string ForecastOverBudget = "ForecastOverBudget";

    /// <summary>On an object and on its budget: a field has an unexpected JSON type and is read as absent.</summary>
    public const string Unreadable = "Unreadable";

    /// <summary>An Event: all GPUs of a running workload have been idle for as long as the budget allows.</summary>
    public const string IdleGpus = "IdleGpus";

    // Events on the budget only.
    public const string ThresholdReached = "ThresholdReached";

    /// <summary>Forecasts continue after a pause.</summary>
    public const string ForecastResumed = "ForecastResumed";
    public const string WillSuspend = "WillSuspend";
    public const string WindowStarted = "WindowStarted";

    // Results of a scaler, in addition to the HPA's reasons (ScaleDownStabilized, ScaleUpLimit and others).
    public const string DemandMet = "DemandMet";
    public const string ScalingUp = "ScalingUp";
    public const string ScalingDown = "ScalingDown";

    /// <summary>A trigger became active: from zero to the first replicas.</summary>
    public const string ScaledFromZero = "ScaledFromZero";

    /// <summary>No trigger is active: at zero, or at the idle replicas.</summary>
    public const string Idle = "Idle";

    /// <summary>No trigger is active, and the cooldown is not over.</summary>
    public const string CoolingDown = "CoolingDown";

    /// <summary>It would scale to zero or idle, but a rollout, a start or requests are in progress.</summary>
    public const string ScaleDownDelayed = "ScaleDownDelayed";

    /// <summary>It may scale to zero, but none of its triggers could scale it up again, so one replica stays.</summary>
    public const string NoActivationTrigger = "NoActivationTrigger";

    /// <summary>Demand asks for more replicas than the budget can afford.</summary>
    public const string CostCapped = "CostCapped";

    /// <summary>A trigger has no value, so nothing is scaled down or to zero for it.</summary>
    public const string MetricsUnavailable = "MetricsUnavailable";

    /// <summary>The first query is in progress.</summary>
    public const string AwaitingMetrics = "AwaitingMetrics";
    public const string FallbackActive = "FallbackActive";
    public const string TargetNotFound = "TargetNotFound";

    /// <summary>The operator is not permitted to scale the target.</summary>
    public const string TargetNotScalable = "TargetNotScalable";

    /// <summary>Another scaler scales the same target.</summary>
    public const string TargetConflict = "TargetConflict";

    /// <summary>KEDA, an HPA or another autoscaler scales the target, and Bursar caps it there.</summary>
    public const string CappedThroughAutoscaler = "CappedThroughAutoscaler";

    /// <summary>A budget has suspended the target.</summary>
    public const string SuspendedByBudget = "SuspendedByBudget";
    public const string NoTriggers = "NoTriggers";

    /// <summary>Its budget does not exist, cannot be read, or does not select the target's pods. No replicas are added.</summary>
    public const string BudgetNotFound = "BudgetNotFound";

    /// <summary>Another actor sets the target's replicas.</summary>
    public const string ScaledByOther = "ScaledByOther";

    // Requests and grants. BudgetNotFound, InvalidSpec and WaitingForApproval apply to requests too.
    public const string GrantApproved = "GrantApproved";

    /// <summary>The budget's <c>autoApprove</c> approved the request.</summary>
    public const string AutoApproved = "AutoApproved";
    public const string GrantExpired = "GrantExpired";

    /// <summary>The request was deleted, denied, or is not approved any more.</summary>
    public const string GrantWithdrawn = "GrantWithdrawn";
    public const string Denied = "Denied";

    // Loans between budgets.
    public const string Borrowed = "Borrowed";
    public const string Lent = "Lent";

    /// <summary>The limit is lower or higher by what is repaid in this window.</summary>
    public const string LoanRepaid = "LoanRepaid";

    /// <summary>A loan does not change the limit, because the limit is in another unit than when the loan was made.</summary>
    public const string LoanInOtherUnit = "LoanInOtherUnit";

    /// <summary>The request names another currency than the budget's.</summary>
    public const string CurrencyMismatch = "CurrencyMismatch";

    /// <summary>The window has as many grants as one may have.</summary>
    public const string TooManyGrants = "TooManyGrants";

    // Names stored by versions before 2026-12.
    private static readonly Dictionary<string, string> Renamed = new(StringComparer.Ordinal)
    {
        ["ParkedAgain"] = SuspendedAgain,
        ["MoneyFreed"] = BudgetAvailable,
        ["MoneyRolledOff"] = SpendRolledOff,
        ["LengthKnown"] = DurationKnown,
        ["WaitsForMoney"] = WaitingForBudget,
        ["WaitsForApproval"] = WaitingForApproval,
        ["NotParkable"] = NotSuspendable,
        ["InferenceFloor"] = MinimumReplicas,
        ["HeldByOtherBudget"] = SuspendedByOtherBudget,
        ["BrakeApplied"] = BreakerOpen,
        ["WorkSuspended"] = WorkloadsSuspended,
        ["AllParkable"] = AllSuspendable,
        ["UnstoppableWork"] = UnstoppableWorkloads,
        ["FloorExceedsLimit"] = MinimumReplicasExceedLimit,
        ["ForecastGoesOn"] = ForecastResumed,
        ["LendsReservation"] = ReservationReleased,
        ["ScaledByOwner"] = CappedThroughAutoscaler,
        ["ParkedByBudget"] = SuspendedByBudget,
        ["WokenUp"] = ScaledFromZero,
        ["Resting"] = Idle,
        ["KeptAwake"] = ScaleDownDelayed,
        ["NothingWakesIt"] = NoActivationTrigger,
        ["TargetTaken"] = TargetConflict,
    };

    /// <summary>Returns the present name of a stored reason.</summary>
    public static string Current(string stored) => Renamed.GetValueOrDefault(stored, stored);
}
