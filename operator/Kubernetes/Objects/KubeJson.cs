using System.Collections;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>The list of wire types. A kind of another assembly comes with a context of its own.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    GenerationMode = JsonSourceGenerationMode.Metadata
)]
[JsonSerializable(typeof(V1Pod))]
[JsonSerializable(typeof(V1Node))]
[JsonSerializable(typeof(V1Namespace))]
[JsonSerializable(typeof(V1Job))]
[JsonSerializable(typeof(V1CronJob))]
[JsonSerializable(typeof(V1Deployment))]
[JsonSerializable(typeof(V1ReplicaSet))]
[JsonSerializable(typeof(V1StatefulSet))]
[JsonSerializable(typeof(V1DaemonSet))]
[JsonSerializable(typeof(V1ConfigMap))]
[JsonSerializable(typeof(V1Secret))]
[JsonSerializable(typeof(V1Lease))]
[JsonSerializable(typeof(V1Event))]
[JsonSerializable(typeof(V1PriorityClass))]
[JsonSerializable(typeof(V1ResourceClaim))]
[JsonSerializable(typeof(V1ResourceClaimTemplate))]
[JsonSerializable(typeof(V1ResourceSlice))]
[JsonSerializable(typeof(V1DeviceClass))]
[JsonSerializable(typeof(V1HorizontalPodAutoscaler))]
[JsonSerializable(typeof(V1Workload))]
[JsonSerializable(typeof(V1Beta1Workload))]
[JsonSerializable(typeof(V1AdmissionCheck))]
[JsonSerializable(typeof(V1Beta1InferenceService))]
[JsonSerializable(typeof(V1ScaledObject))]
[JsonSerializable(typeof(V1PyTorchJob))]
[JsonSerializable(typeof(V1TFJob))]
[JsonSerializable(typeof(V1XGBoostJob))]
[JsonSerializable(typeof(V1PaddleJob))]
[JsonSerializable(typeof(V1JAXJob))]
[JsonSerializable(typeof(V2Beta1MPIJob))]
[JsonSerializable(typeof(V1Alpha2JobSet))]
[JsonSerializable(typeof(V1Alpha1TrainJob))]
[JsonSerializable(typeof(V1RayJob))]
[JsonSerializable(typeof(V1RayCluster))]
[JsonSerializable(typeof(V1LeaderWorkerSet))]
[JsonSerializable(typeof(V1Alpha1Rollout))]
[JsonSerializable(typeof(V1Alpha1DynamoScalingAdapter))]
[JsonSerializable(typeof(V1CustomResourceDefinition))]
[JsonSerializable(typeof(V1MutatingWebhookConfiguration))]
[JsonSerializable(typeof(V1Status))]
internal sealed partial class KubeJsonContext : JsonSerializerContext;

/// <summary>JSON of the built-in kinds: camelCase, nulls and empty parts left out.</summary>
public static class KubeJson
{
    /// <summary>Nesting that is read: as much as the API server itself accepts, since fields that nobody reads may be that deep.</summary>
    internal const int Depth = 10_000;

    internal static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = Depth };

    /// <summary>Options for the built-in kinds.</summary>
    public static JsonSerializerOptions Options { get; } = OptionsOf(KubeJsonContext.Default);

    /// <summary>
    /// Options for the kinds of a context: empty parts are left out (<see cref="OmitEmpty"/>), and scalars of unexpected types are
    /// converted or read as absent (<see cref="ScalarConverters"/>).
    /// </summary>
    public static JsonSerializerOptions OptionsOf(JsonSerializerContext context)
    {
        JsonSerializerOptions options = new(context.Options) { TypeInfoResolver = context.WithAddedModifier(OmitEmpty), MaxDepth = Depth };
        ScalarConverters.AddTo(options.Converters);
        return options;
    }

    /// <summary>
    /// Reads an object of which a field may have another type than expected: that field reads as absent, and the object's metadata names
    /// it (<see cref="V1ObjectMeta.MistypedFields"/>). Throws <see cref="JsonException"/> only for what is no JSON object or has no
    /// metadata.
    /// </summary>
    public static T Read<T>(ReadOnlySpan<byte> json)
        where T : class, IKubernetesEntity<T> => EntityJson.Read<T>(json);

    public static JsonTypeInfo<T> Of<T>() => Cache<T>.TypeInfo;

    /// <summary>
    /// A resolver modifier that leaves out empty lists, maps and parts: a created object must not set a field that its author never
    /// mentioned. For other assemblies' contexts: <c>MyContext.Default.WithAddedModifier(KubeJson.OmitEmpty)</c>.
    /// </summary>
    public static void OmitEmpty(JsonTypeInfo typeInfo)
    {
        if (typeInfo.Kind != JsonTypeInfoKind.Object)
            return;
        foreach (JsonPropertyInfo property in typeInfo.Properties)
        {
            if (property.PropertyType == typeof(string) || property.PropertyType.IsValueType)
                continue;
            property.ShouldSerialize = static (_, value) =>
                value switch
                {
                    null => false,
                    ICollection collection => collection.Count > 0,
                    IReadOnlyDictionary<string, string> map => map.Count > 0,
                    _ => !Empties.Contains(value),
                };
        }
    }

    private static class Cache<T>
    {
        public static readonly JsonTypeInfo<T> TypeInfo = (JsonTypeInfo<T>)Options.GetTypeInfo(typeof(T));
    }
}
