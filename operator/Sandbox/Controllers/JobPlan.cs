namespace Bursar.Sandbox.Controllers;

/// <summary>What the Job controller does next. The effects happen in the order of the properties.</summary>
internal sealed record JobPlan
{
    public static JobPlan Nothing { get; } = new();

    /// <summary>Pods that ended and will be counted; written before their finalizers go, so that a crash loses none.</summary>
    public UncountedPods? Uncounted { get; init; }

    /// <summary>Pods whose tracking finalizer comes off.</summary>
    public IReadOnlyList<ControlledPod> Release { get; init; } = [];

    /// <summary>Pods to delete; their finalizers come off first, so that what they still do is not counted.</summary>
    public IReadOnlyList<ControlledPod> Delete { get; init; } = [];

    public IReadOnlyList<PlannedPod> Create { get; init; } = [];

    public ControlledJobStatus? Status { get; init; }

    public IReadOnlyList<ControllerEvent> Events { get; init; } = [];

    /// <summary>The finished Job has outlived its time.</summary>
    public bool DeleteJob { get; init; }

    /// <summary>When the plan is to be made anew although nothing changed.</summary>
    public TimeSpan? Again { get; init; }
}

/// <summary>A pod to create.</summary>
/// <param name="Index">Its completion index; null in a Job that is not Indexed.</param>
/// <param name="Failures">The index's earlier failures; null where the Job has no limit per index.</param>
/// <param name="Ignored">Those of them that a rule ignores.</param>
internal sealed record PlannedPod(int? Index, int? Failures = null, int Ignored = 0);

internal sealed record ControllerEvent(string Type, string Reason, string Action, string Note);
