using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>Kubeflow Trainer's TrainJob, which runs as a JobSet.</summary>
[KubernetesEntity(Group = "trainer.kubeflow.org", ApiVersion = "v1alpha1", Kind = "TrainJob", PluralName = "trainjobs")]
public sealed record V1Alpha1TrainJob : IKubernetesEntity<V1Alpha1TrainJob>
{
    public static EntityKind EntityKind { get; } = new("trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs");

    public static JsonTypeInfo<V1Alpha1TrainJob> JsonTypeInfo => KubeJson.TypeInfo<V1Alpha1TrainJob>();

    public string ApiVersion => "trainer.kubeflow.org/v1alpha1";

    public string Kind => "TrainJob";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1Alpha1TrainJobSpec Spec
    {
        get;
        init => field = value ?? V1Alpha1TrainJobSpec.Empty;
    } = V1Alpha1TrainJobSpec.Empty;

    public V1Alpha1TrainJobStatus Status
    {
        get;
        init => field = value ?? V1Alpha1TrainJobStatus.Empty;
    } = V1Alpha1TrainJobStatus.Empty;
}

public sealed record V1Alpha1TrainJobSpec
{
    public static readonly V1Alpha1TrainJobSpec Empty = new();

    public bool? Suspend { get; init; }

    public string? ManagedBy { get; init; }

    public long? ActiveDeadlineSeconds { get; init; }

    /// <summary>Labels that are copied to the JobSet and its Jobs.</summary>
    public IReadOnlyDictionary<string, string> Labels
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    /// <summary>Annotations that are copied to the JobSet.</summary>
    public IReadOnlyDictionary<string, string> Annotations
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public V1Alpha1Trainer? Trainer { get; init; }
}

public sealed record V1Alpha1Trainer
{
    public static readonly V1Alpha1Trainer Empty = new();

    public int? NumNodes { get; init; }

    public V1ResourceRequirements ResourcesPerNode
    {
        get;
        init => field = value ?? V1ResourceRequirements.Empty;
    } = V1ResourceRequirements.Empty;
}

public sealed record V1Alpha1TrainJobStatus
{
    public static readonly V1Alpha1TrainJobStatus Empty = new();

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    public V1Alpha1TrainerStatus? TrainerStatus { get; init; }
}

/// <summary>Progress that the trainer itself reports, if Kubeflow Trainer's feature gate TrainJobStatus is on.</summary>
public sealed record V1Alpha1TrainerStatus
{
    public int? ProgressPercentage { get; init; }

    public int? EstimatedRemainingSeconds { get; init; }

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? LastUpdatedTime { get; init; }
}
