using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>Argo's Rollout, with the fields that show how many pods it has and whether it is replacing them.</summary>
[KubernetesEntity(Group = "argoproj.io", ApiVersion = "v1alpha1", Kind = "Rollout", PluralName = "rollouts")]
public sealed record V1Alpha1Rollout : IKubernetesEntity<V1Alpha1Rollout>
{
    public static EntityKind EntityKind { get; } = new("argoproj.io", "v1alpha1", "Rollout", "rollouts");

    public static JsonTypeInfo<V1Alpha1Rollout> JsonTypeInfo => KubeJson.TypeInfo<V1Alpha1Rollout>();

    public string ApiVersion => "argoproj.io/v1alpha1";

    public string Kind => "Rollout";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1Alpha1RolloutSpec Spec
    {
        get;
        init => field = value ?? V1Alpha1RolloutSpec.Empty;
    } = V1Alpha1RolloutSpec.Empty;

    public V1Alpha1RolloutStatus Status
    {
        get;
        init => field = value ?? V1Alpha1RolloutStatus.Empty;
    } = V1Alpha1RolloutStatus.Empty;
}

public sealed record V1Alpha1RolloutSpec
{
    public static readonly V1Alpha1RolloutSpec Empty = new();

    public int? Replicas { get; init; }

    public bool? Paused { get; init; }

    /// <summary>Empty if the Rollout refers to a Deployment for its template.</summary>
    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}

public sealed record V1Alpha1RolloutStatus
{
    public static readonly V1Alpha1RolloutStatus Empty = new();

    public int Replicas { get; init; }

    /// <summary>The observed generation in digits; in old versions a hash of the spec.</summary>
    public string? ObservedGeneration { get; init; }

    /// <summary>The hash of the template that is being rolled out.</summary>
    public string? CurrentPodHash { get; init; }

    /// <summary>The hash of the template that serves until then.</summary>
    public string? StableRS { get; init; }

    /// <summary>Healthy, Progressing, Paused or Degraded.</summary>
    public string? Phase { get; init; }
}
