using System.Text.Json.Serialization;

namespace Bursar.Kube.Objects;

/// <summary>What the jobs of Kubeflow's training operator and of the MPI operator have in common.</summary>
public interface IKubeflowJob : IKubernetesObject
{
    KubeflowJobSpec Spec { get; }

    KubeflowJobStatus Status { get; }
}

/// <summary>Each kind has its replicas under a name of its own.</summary>
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

    /// <summary>By the replica's type, as Master or Worker.</summary>
    [JsonIgnore]
    public IEnumerable<KeyValuePair<string, KubeflowReplicaSpec>> Replicas =>
        // A null under a replica type stands for no replicas of it.
        (PyTorch ?? TensorFlow ?? XGBoost ?? Paddle ?? Jax ?? Mpi)?.Where(pair => pair.Value is not null) ?? [];
}

public sealed record KubeflowRunPolicy
{
    public static readonly KubeflowRunPolicy Empty = new();

    public bool? Suspend { get; init; }

    public long? ActiveDeadlineSeconds { get; init; }

    public string? ManagedBy { get; init; }
}

/// <summary>Workers that come and go; with metrics the training operator makes a HorizontalPodAutoscaler of it.</summary>
public sealed record KubeflowElasticPolicy
{
    public int? MaxReplicas { get; init; }

    public IReadOnlyList<KubeflowElasticMetric> Metrics
    {
        get;
        init => field = value ?? [];
    } = [];
}

/// <summary>A metric that the training operator scales by. Only whether there is one matters here.</summary>
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
