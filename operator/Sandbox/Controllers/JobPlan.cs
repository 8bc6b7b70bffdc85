namespace Bursar.Sandbox.Controllers;

/// <summary>The next actions of the Job controller, in the order of the properties.</summary>
internal sealed record JobPlan
{
    public static JobPlan Nothing { get; } = new();

    /// <summary>Ended pods to count; written before their finalizers are removed, so that none is lost in a crash.</summary>
    public UncountedPods? Uncounted { get; init; }

    /// <summary>Pods whose tracking finalizer is removed.</summary>
    public IReadOnlyList<ControlledPod> Release { get; init; } = [];

    /// <summary>Pods to delete; their finalizers are removed first, so that their end is not counted.</summary>
    public IReadOnlyList<ControlledPod> Delete { get; init; } = [];

    public IReadOnlyList<PlannedPod> Create { get; init; } = [];

    public ControlledJobStatus? Status { get; init; }

    public IReadOnlyList<ControllerEvent> Events { get; init; } = [];

    /// <summary>The TTL of the finished Job has expired.</summary>
    public bool DeleteJob { get; init; }

    /// <summary>The delay until the next plan without a change; null for none.</summary>
    public TimeSpan? Again { get; init; }
}

/// <summary>A pod to create.</summary>
/// <param name="Index">Its completion index; null if the Job is not Indexed.</param>
/// <param name="Failures">Earlier failures of the index; null if the Job has no limit per index.</param>
/// <param name="Ignored">The failures among them that a rule ignores.</param>
internal sealed record PlannedPod(int? Index, int? Failures = null, int Ignored = 0);

internal sealed record ControllerEvent(string Type, string Reason, string Action, string Note);
