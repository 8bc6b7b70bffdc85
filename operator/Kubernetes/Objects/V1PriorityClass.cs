using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "scheduling.k8s.io", ApiVersion = "v1", Kind = "PriorityClass", PluralName = "priorityclasses")]
[EntityScope(EntityScope.Cluster)]
public sealed record V1PriorityClass : IKubernetesEntity<V1PriorityClass>
{
    public static EntityKind EntityKind { get; } = new("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", Namespaced: false);

    public static JsonTypeInfo<V1PriorityClass> JsonTypeInfo => KubeJson.TypeInfo<V1PriorityClass>();

    public string ApiVersion => "scheduling.k8s.io/v1";

    public string Kind => "PriorityClass";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public int Value { get; init; }

    public bool GlobalDefault { get; init; }
}
