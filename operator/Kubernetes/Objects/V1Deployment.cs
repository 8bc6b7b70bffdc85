using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "Deployment", PluralName = "deployments")]
public sealed record V1Deployment : IKubernetesEntity<V1Deployment>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "Deployment", "deployments");

    public static JsonTypeInfo<V1Deployment> JsonTypeInfo => KubeJson.TypeInfo<V1Deployment>();

    public string ApiVersion => "apps/v1";

    public string Kind => "Deployment";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1DeploymentSpec Spec
    {
        get;
        init => field = value ?? V1DeploymentSpec.Empty;
    } = V1DeploymentSpec.Empty;

    public V1DeploymentStatus Status
    {
        get;
        init => field = value ?? V1DeploymentStatus.Empty;
    } = V1DeploymentStatus.Empty;
}

public sealed record V1DeploymentSpec
{
    public static readonly V1DeploymentSpec Empty = new();

    public int? Replicas { get; init; }

    /// <summary>While true, changes of the template are not rolled out. Scaling still works.</summary>
    public bool? Paused { get; init; }

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}

public sealed record V1DeploymentStatus
{
    public static readonly V1DeploymentStatus Empty = new();

    public int Replicas { get; init; }

    public int UpdatedReplicas { get; init; }

    public long ObservedGeneration { get; init; }

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    public V1Condition? Condition(string type)
    {
        foreach (V1Condition condition in Conditions)
            if (string.Equals(condition.Type, type, StringComparison.Ordinal))
                return condition;
        return null;
    }
}
