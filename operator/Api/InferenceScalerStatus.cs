using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>Written whole from one decision; amounts are decimal strings in the price book's currency, times RFC 3339.</summary>
public sealed class InferenceScalerStatus
{
    [Description("The generation of the spec that this status is about.")]
    public long? ObservedGeneration { get; set; }

    [Length(0, 400)]
    [Description("What is scaled, as Kind/name.")]
    public string? Target { get; set; }

    [Description("The replicas that are asked of the target.")]
    public int? Replicas { get; set; }

    [Description("The replicas that demand asks for, between minimum and maximum.")]
    public int? Wanted { get; set; }

    [Description("The replicas that the budget covers; absent if no budget limits them.")]
    public int? Affordable { get; set; }

    [Length(0, 40)]
    [Description("What the replicas would cost per hour that demand asks for and the money does not carry.")]
    public string? MissingPerHour { get; set; }

    [Length(0, 40)]
    [Description("What the target's pods cost per hour.")]
    public string? CostPerHour { get; set; }

    [Length(0, 8)]
    [Description("The currency of all amounts here, from the price book.")]
    public string? Currency { get; set; }

    [Length(0, 64)]
    [Description("Why the replicas are as they are, as one word.")]
    public string? Reason { get; set; }

    [Length(0, 2048)]
    [Description("The same as a sentence.")]
    public string? Message { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("When a trigger was active last.")]
    public string? LastActiveTime { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("When Bursar scaled the target last.")]
    public string? LastScaleTime { get; set; }

    [Description("Which money limits the replicas; absent where none does.")]
    public InferenceScalerStatusCap? Cap { get; set; }

    [Items(0, 16)]
    [Description("What each trigger measured when this status was written.")]
    public IReadOnlyList<InferenceScalerStatusTrigger>? Triggers { get; set; }

    [Items(0, 16)]
    [ListType("map", "type")]
    [Description(
        "Ready: Bursar scales the target. Active: a trigger is active. Affordable: the budget covers what demand asks for. Fallback: the fallback replaces a trigger. Contested, while it holds: another client keeps scaling the target."
    )]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }

    /// <summary>Takes away what is never read back.</summary>
    public void Slim() => (Message, Triggers, Cap) = (null, null, null);
}

public sealed class InferenceScalerStatusCap
{
    [Length(0, 253)]
    [Description("The budget's name, or costCap.")]
    public string? By { get; set; }

    [Length(0, 40)]
    [Description("What the affordable replicas may cost together per hour.")]
    public string? PerHour { get; set; }

    [Length(0, 1024)]
    [Description("What the number of affordable replicas comes from.")]
    public string? Message { get; set; }
}

public sealed class InferenceScalerStatusTrigger
{
    [Length(0, 128)]
    [Description("The trigger's name.")]
    public string? Name { get; set; }

    [Length(0, 40)]
    [Description("What it measured of all replicas together; absent where there was nothing to measure.")]
    public string? Value { get; set; }

    [Length(0, 40)]
    [Description("Its target.")]
    public string? Target { get; set; }

    [Description("Whether it is active.")]
    public bool? Active { get; set; }

    [Description("The replicas that it asks for.")]
    public int? Replicas { get; set; }

    [Length(0, 512)]
    [Description("Why it has no value.")]
    public string? Error { get; set; }
}
