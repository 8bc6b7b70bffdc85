namespace Bursar.Core.Decisions;

/// <summary>Every reason Bursar gives, in Events, conditions, metrics and logs: one word each, and when it is used.</summary>
public static class Reasons
{
    // Why a workload is suspended.
    /// <summary>What its run still costs does not fit what is left of the budget.</summary>
    public const string ProjectedOverBudget = "ProjectedOverBudget";

    /// <summary>A new job that does not fit what is left of the budget waits suspended.</summary>
    public const string DoesNotFit = "DoesNotFit";

    /// <summary>Nothing tells how long it runs and the budget says such work is held.</summary>
    public const string UnknownDuration = "UnknownDuration";

    /// <summary>What is spent, with what it costs to stop, has reached the limit.</summary>
    public const string BudgetExhausted = "BudgetExhausted";

    /// <summary>Someone else resumed what Bursar had suspended, and it still does not fit.</summary>
    public const string SuspendedAgain = "SuspendedAgain";

    // Why a suspended workload comes back.
    public const string BudgetRaised = "BudgetRaised";
    public const string NewWindow = "NewWindow";
    public const string BudgetAvailable = "BudgetAvailable";
    public const string Approved = "Approved";

    /// <summary>It is no longer this budget's to hold: exempt now, or inference whose floor stays.</summary>
    public const string Released = "Released";

    /// <summary>Bursar suspended it and the ledger lost the record: it was recorded anew.</summary>
    public const string RecordRestored = "RecordRestored";

    /// <summary>It was held because nothing told its length, and now something does.</summary>
    public const string DurationKnown = "DurationKnown";

    /// <summary>Its rate fell: a lower price, or fewer GPUs.</summary>
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

    /// <summary>It was suspended and its pods run on: it counts as running and cannot be suspended.</summary>
    public const string SuspensionNotFollowed = "SuspensionNotFollowed";

    /// <summary>An Event: a suspension that was reported as not followed has taken effect, or the workload may run again.</summary>
    public const string SuspensionFollowed = "SuspensionFollowed";

    /// <summary>Another budget has suspended it; this one would let it run and keeps its money for it.</summary>
    public const string SuspendedByOtherBudget = "SuspendedByOtherBudget";
    public const string Settling = "Settling";
    public const string AlmostDone = "AlmostDone";
    public const string ForecastPaused = "ForecastPaused";
    public const string BreakerOpen = "BreakerOpen";
    public const string Observing = "Observing";
    public const string Contested = "Contested";
    public const string ReservationReleased = "ReservationReleased";

    /// <summary>Whoever queues it (Kueue) has not let it go: it holds no money until then.</summary>
    public const string Queued = "Queued";

    /// <summary>An annotation of a workload has no effect, because it cannot be read or is not known.</summary>
    public const string AnnotationIgnored = "AnnotationIgnored";

    /// <summary>It is to be suspended, and was asked to write a checkpoint first.</summary>
    public const string CheckpointRequested = "CheckpointRequested";

    /// <summary>The request was taken back: there is money for it again, or it is no longer the budget's to suspend.</summary>
    public const string CheckpointWithdrawn = "CheckpointWithdrawn";

    // Why the budget is as it is: reasons of its conditions; those of Ready are its state.
    public const string OnTrack = "OnTrack";
    public const string ProjectedOver = "ProjectedOver";

    /// <summary>On the present course the limit is reached before the window ends.</summary>
    public const string AtRisk = "AtRisk";

    /// <summary>More than the limit is spent and work keeps running.</summary>
    public const string Overspent = "Overspent";

    /// <summary>All is within the limit because some work is suspended.</summary>
    public const string WorkloadsSuspended = "WorkloadsSuspended";
    public const string Exhausted = "Exhausted";
    public const string NotStarted = "NotStarted";
    public const string Expired = "Expired";
    public const string InvalidSpec = "InvalidSpec";

    /// <summary>Its user released it: it suspends nothing until its spec or its window is another one, or the release is ended.</summary>
    public const string EnforcementReleased = "EnforcementReleased";

    /// <summary>An Event: the release is over.</summary>
    public const string EnforcementRestored = "EnforcementRestored";

    /// <summary>The ledger cannot be written: nothing is suspended or resumed, and what is counted from now on may be lost.</summary>
    public const string LedgerNotWritable = "LedgerNotWritable";
    public const string Fresh = "Fresh";

    /// <summary>The times are current, and on some node nobody measures what the GPUs do: billing and forecasts go on.</summary>
    public const string AgentMissing = "AgentMissing";
    public const string NodeLost = "NodeLost";
    public const string Priced = "Priced";
    public const string Unpriced = "Unpriced";

    /// <summary>Nodes have a resource that looks like a GPU and is not in the table of GPUs.</summary>
    public const string UnknownGpuResource = "UnknownGpuResource";

    /// <summary>
    /// Spot or reserved nodes are charged at a rate that is meant for on-demand: amounts are an upper bound, and forecasts go on.
    /// </summary>
    public const string ChargedAsOnDemand = "ChargedAsOnDemand";

    /// <summary>
    /// The price book says something that its guard does not let pass, or there is no book: the last trusted prices go on.
    /// </summary>
    public const string PricesUntrusted = "PricesUntrusted";
    public const string PricesTrusted = "PricesTrusted";
    public const string AllSuspendable = "AllSuspendable";
    public const string UnstoppableWorkloads = "UnstoppableWorkloads";
    public const string MinimumReplicasExceedLimit = "MinimumReplicasExceedLimit";

    /// <summary>On an object and on its budget: a field has an unexpected JSON type and reads as absent.</summary>
    public const string Unreadable = "Unreadable";

    // Events on the budget alone.
    public const string ThresholdReached = "ThresholdReached";

    /// <summary>What paused forecasts is over.</summary>
    public const string ForecastResumed = "ForecastResumed";
    public const string WillSuspend = "WillSuspend";
    public const string WindowStarted = "WindowStarted";

    // What a scaler finds, beside the autoscaler's own words (ScaleDownStabilized, ScaleUpLimit and the like).
    public const string DemandMet = "DemandMet";
    public const string ScalingUp = "ScalingUp";
    public const string ScalingDown = "ScalingDown";

    /// <summary>A trigger is active: from zero to the first replicas.</summary>
    public const string ScaledFromZero = "ScaledFromZero";

    /// <summary>No trigger is active: at zero, or at the idle replicas.</summary>
    public const string Idle = "Idle";

    /// <summary>No trigger is active, and the cooldown is not over.</summary>
    public const string CoolingDown = "CoolingDown";

    /// <summary>It would go to rest, but a rollout, a start or requests are under way.</summary>
    public const string ScaleDownDelayed = "ScaleDownDelayed";

    /// <summary>It may go to zero, and none of its triggers could wake it: one replica stays.</summary>
    public const string NoActivationTrigger = "NoActivationTrigger";

    /// <summary>Demand asks for more replicas than the money carries.</summary>
    public const string CostCapped = "CostCapped";

    /// <summary>A trigger gives no figure: nothing is scaled down for it, and nothing to zero.</summary>
    public const string MetricsUnavailable = "MetricsUnavailable";

    /// <summary>It was just begun to ask.</summary>
    public const string AwaitingMetrics = "AwaitingMetrics";
    public const string FallbackActive = "FallbackActive";
    public const string TargetNotFound = "TargetNotFound";

    /// <summary>This operator may not scale the target.</summary>
    public const string TargetNotScalable = "TargetNotScalable";

    /// <summary>Another scaler scales the same target.</summary>
    public const string TargetConflict = "TargetConflict";

    /// <summary>KEDA, an HPA or whoever else scales the target: it is capped through them.</summary>
    public const string CappedThroughAutoscaler = "CappedThroughAutoscaler";

    /// <summary>A budget has suspended the target.</summary>
    public const string SuspendedByBudget = "SuspendedByBudget";
    public const string NoTriggers = "NoTriggers";

    /// <summary>The budget that it names does not exist, cannot be read, or does not select the target's pods: no new replicas.</summary>
    public const string BudgetNotFound = "BudgetNotFound";

    /// <summary>Others set the target's replicas.</summary>
    public const string ScaledByOther = "ScaledByOther";

    // Stored by versions before 2026-12.
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

    /// <summary>The present name of a reason that an earlier version stored; a name that has not changed is returned as it is.</summary>
    public static string Current(string stored) => Renamed.GetValueOrDefault(stored, stored);
}
