using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>Argo's Rollout, as far as it tells how many pods of what it has and whether it is changing them.</summary>
[KubernetesEntity(Group = "argoproj.io", ApiVersion = "v1alpha1", Kind = "Rollout", PluralName = "rollouts")]
public sealed record V1Alpha1Rollout : IKubernetesEntity<V1Alpha1Rollout>
{
    public static EntityKind EntityKind { get; } = new("argoproj.io", "v1alpha1", "Rollout", "rollouts");

    public static JsonTypeInfo<V1Alpha1Rollout> JsonTypeInfo => KubeJson.Of<V1Alpha1Rollout>();

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

    /// <summary>Empty where it refers to a Deployment's instead.</summary>
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

    /// <summary>A generation in digits; a hash of the spec in old versions.</summary>
    public string? ObservedGeneration { get; init; }

    /// <summary>Of the template that it goes to.</summary>
    public string? CurrentPodHash { get; init; }

    /// <summary>Of the template that serves until then.</summary>
    public string? StableRS { get; init; }

    /// <summary>Healthy, Progressing, Paused or Degraded.</summary>
    public string? Phase { get; init; }
}
