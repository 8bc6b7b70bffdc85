using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

/// <summary>A MutatingWebhookConfiguration, with the addresses and the trusted certificates of its webhooks.</summary>
[KubernetesEntity(
    Group = "admissionregistration.k8s.io",
    ApiVersion = "v1",
    Kind = "MutatingWebhookConfiguration",
    PluralName = "mutatingwebhookconfigurations"
)]
[EntityScope(EntityScope.Cluster)]
public sealed record V1MutatingWebhookConfiguration : IKubernetesEntity<V1MutatingWebhookConfiguration>
{
    public static EntityKind EntityKind { get; } =
        new("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", Namespaced: false);

    public static JsonTypeInfo<V1MutatingWebhookConfiguration> JsonTypeInfo => KubeJson.TypeInfo<V1MutatingWebhookConfiguration>();

    public string ApiVersion => "admissionregistration.k8s.io/v1";

    public string Kind => "MutatingWebhookConfiguration";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public IReadOnlyList<V1MutatingWebhook> Webhooks
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1MutatingWebhook
{
    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public V1WebhookClientConfig ClientConfig
    {
        get;
        init => field = value ?? V1WebhookClientConfig.Empty;
    } = V1WebhookClientConfig.Empty;
}

public sealed record V1WebhookClientConfig
{
    public static readonly V1WebhookClientConfig Empty = new();

    /// <summary>PEM; base64 on the wire.</summary>
    public byte[]? CaBundle { get; init; }

    public string? Url { get; init; }

    public JsonElement? Service { get; init; }
}
