using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

/// <summary>A CustomResourceDefinition. Only its existence is read, and it is created from JSON.</summary>
[KubernetesEntity(
    Group = "apiextensions.k8s.io",
    ApiVersion = "v1",
    Kind = "CustomResourceDefinition",
    PluralName = "customresourcedefinitions"
)]
[EntityScope(EntityScope.Cluster)]
public sealed record V1CustomResourceDefinition : IKubernetesEntity<V1CustomResourceDefinition>
{
    public static EntityKind EntityKind { get; } =
        new("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", Namespaced: false);

    public static JsonTypeInfo<V1CustomResourceDefinition> JsonTypeInfo => KubeJson.TypeInfo<V1CustomResourceDefinition>();

    public string ApiVersion => "apiextensions.k8s.io/v1";

    public string Kind => "CustomResourceDefinition";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;
}
