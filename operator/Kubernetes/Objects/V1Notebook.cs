using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>Kubeflow's Notebook, with the pod that its controller runs in a StatefulSet.</summary>
[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "Notebook", PluralName = "notebooks")]
public sealed record V1Notebook : IKubernetesEntity<V1Notebook>
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "Notebook", "notebooks");

    public static JsonTypeInfo<V1Notebook> JsonTypeInfo => KubeJson.TypeInfo<V1Notebook>();

    public string ApiVersion => "kubeflow.org/v1";

    public string Kind => "Notebook";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1NotebookSpec Spec
    {
        get;
        init => field = value ?? V1NotebookSpec.Empty;
    } = V1NotebookSpec.Empty;
}

public sealed record V1NotebookSpec
{
    public static readonly V1NotebookSpec Empty = new();

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}
