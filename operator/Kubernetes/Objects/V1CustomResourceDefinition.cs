using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

/// <summary>A CustomResourceDefinition, as far as telling whether a kind is there.</summary>
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

    public static JsonTypeInfo<V1CustomResourceDefinition> JsonTypeInfo => KubeJson.Of<V1CustomResourceDefinition>();

    public string ApiVersion => "apiextensions.k8s.io/v1";

    public string Kind => "CustomResourceDefinition";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1CustomResourceDefinitionSpec Spec
    {
        get;
        init => field = value ?? V1CustomResourceDefinitionSpec.Empty;
    } = V1CustomResourceDefinitionSpec.Empty;

    public V1CustomResourceDefinitionStatus Status
    {
        get;
        init => field = value ?? V1CustomResourceDefinitionStatus.Empty;
    } = V1CustomResourceDefinitionStatus.Empty;
}

public sealed record V1CustomResourceDefinitionSpec
{
    public static readonly V1CustomResourceDefinitionSpec Empty = new();

    public string Group
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Scope
    {
        get;
        init => field = value ?? "";
    } = "";

    public V1CustomResourceDefinitionNames Names
    {
        get;
        init => field = value ?? V1CustomResourceDefinitionNames.Empty;
    } = V1CustomResourceDefinitionNames.Empty;

    public IReadOnlyList<V1CustomResourceDefinitionVersion> Versions
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1CustomResourceDefinitionNames
{
    public static readonly V1CustomResourceDefinitionNames Empty = new();

    public string Kind
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Plural
    {
        get;
        init => field = value ?? "";
    } = "";
}

public sealed record V1CustomResourceDefinitionVersion
{
    public static readonly V1CustomResourceDefinitionVersion Empty = new();

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public bool Served { get; init; }

    public bool Storage { get; init; }
}

public sealed record V1CustomResourceDefinitionStatus
{
    public static readonly V1CustomResourceDefinitionStatus Empty = new();

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>The condition of a type, or null.</summary>
    public V1Condition? Condition(string type)
    {
        foreach (V1Condition condition in Conditions)
            if (string.Equals(condition.Type, type, StringComparison.Ordinal))
                return condition;
        return null;
    }
}
