namespace Bursar.Core.Decisions;

/// <summary>The condition types in the statuses of budgets, requests, scalers and price books.</summary>
public static class ConditionTypes
{
    /// <summary>Whether the object does what its spec asks for; the reason is the object's STATE in <c>kubectl get</c>.</summary>
    public const string Ready = "Ready";

    /// <summary>Budget: whether spending is within the limit.</summary>
    public const string WithinBudget = "WithinBudget";

    /// <summary>Budget: whether spending will be within the limit at the end of the window.</summary>
    public const string ProjectedWithinBudget = "ProjectedWithinBudget";

    /// <summary>Budget: whether usage is current. While it is false, forecasts pause and only the limit applies.</summary>
    public const string MeteringFresh = "MeteringFresh";

    /// <summary>Budget: whether every GPU in use has a trusted price.</summary>
    public const string PricesTrusted = "PricesTrusted";

    /// <summary>Budget: whether everything that runs can be suspended.</summary>
    public const string FullyEnforceable = "FullyEnforceable";

    /// <summary>Budget: whether inference that keeps running costs more than the limit leaves.</summary>
    public const string MinimumReplicasExceedLimit = "MinimumReplicasExceedLimit";

    /// <summary>ClusterGpuBudget: whether the limits of the budgets below it exceed its own together.</summary>
    public const string Overcommitted = "Overcommitted";

    /// <summary>Budget: whether the window is forecast to cost more than the limit, with workloads to come.</summary>
    public const string ForecastOverBudget = "ForecastOverBudget";

    /// <summary>Budget: whether the circuit breaker keeps Bursar from suspending more.</summary>
    public const string BreakerOpen = "BreakerOpen";

    /// <summary>Budget and scaler: whether another client keeps undoing what Bursar writes.</summary>
    public const string Contested = "Contested";

    /// <summary>Scaler: whether a trigger asks for replicas.</summary>
    public const string Active = "Active";

    /// <summary>Scaler: whether the budget covers the replicas that the triggers ask for.</summary>
    public const string Affordable = "Affordable";

    /// <summary>Scaler: whether a trigger failed and its fallback is in force.</summary>
    public const string Fallback = "Fallback";

    /// <summary>Request: set to True by a user who approves it, or by Bursar as the budget's <c>autoApprove</c> says.</summary>
    public const string Approved = "Approved";

    /// <summary>Request: set to True by a user who denies it. It has precedence over <see cref="Approved"/>.</summary>
    public const string Denied = "Denied";

    /// <summary>Request: whether the budget's limit contains its amount.</summary>
    public const string Granted = "Granted";
}
