using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>KServe's InferenceService, with the fields that show the requests of its predictor.</summary>
[KubernetesEntity(Group = "serving.kserve.io", ApiVersion = "v1beta1", Kind = "InferenceService", PluralName = "inferenceservices")]
public sealed record V1Beta1InferenceService : IKubernetesEntity<V1Beta1InferenceService>
{
    public static EntityKind EntityKind { get; } = new("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices");

    public static JsonTypeInfo<V1Beta1InferenceService> JsonTypeInfo => KubeJson.TypeInfo<V1Beta1InferenceService>();

    public string ApiVersion => "serving.kserve.io/v1beta1";

    public string Kind => "InferenceService";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1Beta1InferenceServiceSpec Spec
    {
        get;
        init => field = value ?? V1Beta1InferenceServiceSpec.Empty;
    } = V1Beta1InferenceServiceSpec.Empty;

    public V1Beta1InferenceServiceStatus Status
    {
        get;
        init => field = value ?? V1Beta1InferenceServiceStatus.Empty;
    } = V1Beta1InferenceServiceStatus.Empty;
}

public sealed record V1Beta1InferenceServiceSpec
{
    public static readonly V1Beta1InferenceServiceSpec Empty = new();

    public V1Beta1Predictor Predictor
    {
        get;
        init => field = value ?? V1Beta1Predictor.Empty;
    } = V1Beta1Predictor.Empty;
}

/// <summary>A pod spec that may also have a model, for which KServe chooses the server container.</summary>
public sealed record V1Beta1Predictor
{
    public static readonly V1Beta1Predictor Empty = new();

    public int? MinReplicas { get; init; }

    public int? MaxReplicas { get; init; }

    public V1Beta1ServedContainer? Model { get; init; }

    public IReadOnlyList<V1Beta1ServedContainer> Containers
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<V1PodResourceClaim> ResourceClaims
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyDictionary<string, string> Labels
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public IReadOnlyDictionary<string, string> NodeSelector
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public long? TerminationGracePeriodSeconds { get; init; }
}

public sealed record V1Beta1ServedContainer
{
    public V1ResourceRequirements Resources
    {
        get;
        init => field = value ?? V1ResourceRequirements.Empty;
    } = V1ResourceRequirements.Empty;
}

public sealed record V1Beta1InferenceServiceStatus
{
    public static readonly V1Beta1InferenceServiceStatus Empty = new();

    public long ObservedGeneration { get; init; }
}
