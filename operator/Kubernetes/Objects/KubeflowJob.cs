using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>The common fields of the jobs of Kubeflow's training operator and of the MPI operator.</summary>
public abstract record KubeflowJob : IKubernetesObject
{
    public abstract string ApiVersion { get; }

    public abstract string Kind { get; }

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public KubeflowJobSpec Spec
    {
        get;
        init => field = value ?? KubeflowJobSpec.Empty;
    } = KubeflowJobSpec.Empty;

    public KubeflowJobStatus Status
    {
        get;
        init => field = value ?? KubeflowJobStatus.Empty;
    } = KubeflowJobStatus.Empty;
}

[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "PyTorchJob", PluralName = "pytorchjobs")]
public sealed record V1PyTorchJob : KubeflowJob, IKubernetesEntity<V1PyTorchJob>
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs");

    public static JsonTypeInfo<V1PyTorchJob> JsonTypeInfo => KubeJson.TypeInfo<V1PyTorchJob>();

    public override string ApiVersion => "kubeflow.org/v1";

    public override string Kind => "PyTorchJob";
}

[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "TFJob", PluralName = "tfjobs")]
public sealed record V1TFJob : KubeflowJob, IKubernetesEntity<V1TFJob>
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "TFJob", "tfjobs");

    public static JsonTypeInfo<V1TFJob> JsonTypeInfo => KubeJson.TypeInfo<V1TFJob>();

    public override string ApiVersion => "kubeflow.org/v1";

    public override string Kind => "TFJob";
}

[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "XGBoostJob", PluralName = "xgboostjobs")]
public sealed record V1XGBoostJob : KubeflowJob, IKubernetesEntity<V1XGBoostJob>
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs");

    public static JsonTypeInfo<V1XGBoostJob> JsonTypeInfo => KubeJson.TypeInfo<V1XGBoostJob>();

    public override string ApiVersion => "kubeflow.org/v1";

    public override string Kind => "XGBoostJob";
}

[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "PaddleJob", PluralName = "paddlejobs")]
public sealed record V1PaddleJob : KubeflowJob, IKubernetesEntity<V1PaddleJob>
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "PaddleJob", "paddlejobs");

    public static JsonTypeInfo<V1PaddleJob> JsonTypeInfo => KubeJson.TypeInfo<V1PaddleJob>();

    public override string ApiVersion => "kubeflow.org/v1";

    public override string Kind => "PaddleJob";
}

[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "JAXJob", PluralName = "jaxjobs")]
public sealed record V1JAXJob : KubeflowJob, IKubernetesEntity<V1JAXJob>
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "JAXJob", "jaxjobs");

    public static JsonTypeInfo<V1JAXJob> JsonTypeInfo => KubeJson.TypeInfo<V1JAXJob>();

    public override string ApiVersion => "kubeflow.org/v1";

    public override string Kind => "JAXJob";
}

[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v2beta1", Kind = "MPIJob", PluralName = "mpijobs")]
public sealed record V2Beta1MPIJob : KubeflowJob, IKubernetesEntity<V2Beta1MPIJob>
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v2beta1", "MPIJob", "mpijobs");

    public static JsonTypeInfo<V2Beta1MPIJob> JsonTypeInfo => KubeJson.TypeInfo<V2Beta1MPIJob>();

    public override string ApiVersion => "kubeflow.org/v2beta1";

    public override string Kind => "MPIJob";
}

/// <summary>The spec of a Kubeflow job. Each kind has its replicas in a field of its own.</summary>
public sealed record KubeflowJobSpec
{
    public static readonly KubeflowJobSpec Empty = new();

    public KubeflowRunPolicy? RunPolicy { get; init; }

    public KubeflowElasticPolicy? ElasticPolicy { get; init; }

    [JsonPropertyName("pytorchReplicaSpecs")]
    public IReadOnlyDictionary<string, KubeflowReplicaSpec>? PyTorch { get; init; }

    [JsonPropertyName("tfReplicaSpecs")]
    public IReadOnlyDictionary<string, KubeflowReplicaSpec>? TensorFlow { get; init; }

    [JsonPropertyName("xgbReplicaSpecs")]
    public IReadOnlyDictionary<string, KubeflowReplicaSpec>? XGBoost { get; init; }

    [JsonPropertyName("paddleReplicaSpecs")]
    public IReadOnlyDictionary<string, KubeflowReplicaSpec>? Paddle { get; init; }

    [JsonPropertyName("jaxReplicaSpecs")]
    public IReadOnlyDictionary<string, KubeflowReplicaSpec>? Jax { get; init; }

    [JsonPropertyName("mpiReplicaSpecs")]
    public IReadOnlyDictionary<string, KubeflowReplicaSpec>? Mpi { get; init; }

    /// <summary>Replicas by type, such as Master or Worker.</summary>
    [JsonIgnore]
    public IEnumerable<KeyValuePair<string, KubeflowReplicaSpec>> Replicas =>
        // A null value means no replicas of the type.
        (PyTorch ?? TensorFlow ?? XGBoost ?? Paddle ?? Jax ?? Mpi)?.Where(pair => pair.Value is not null) ?? [];
}

public sealed record KubeflowRunPolicy
{
    public static readonly KubeflowRunPolicy Empty = new();

    public bool? Suspend { get; init; }

    public long? ActiveDeadlineSeconds { get; init; }

    public string? ManagedBy { get; init; }
}

/// <summary>The bounds of elastic workers. If it has metrics, the training operator creates a HorizontalPodAutoscaler.</summary>
public sealed record KubeflowElasticPolicy
{
    public int? MaxReplicas { get; init; }

    public IReadOnlyList<KubeflowElasticMetric> Metrics
    {
        get;
        init => field = value ?? [];
    } = [];
}

/// <summary>A metric that the training operator scales by. Only its existence matters here.</summary>
public sealed record KubeflowElasticMetric;

public sealed record KubeflowReplicaSpec
{
    public static readonly KubeflowReplicaSpec Empty = new();

    public int? Replicas { get; init; }

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}

public sealed record KubeflowJobStatus
{
    public static readonly KubeflowJobStatus Empty = new();

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? StartTime { get; init; }

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? CompletionTime { get; init; }

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];
}
