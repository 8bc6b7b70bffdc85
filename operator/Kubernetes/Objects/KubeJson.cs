using System.Collections;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>The types of the built-in kinds. A kind of another assembly has a context of its own.</summary>
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
[JsonSerializable(typeof(V1Notebook))]
[JsonSerializable(typeof(V1Alpha1Rollout))]
[JsonSerializable(typeof(V1Alpha1DynamoScalingAdapter))]
[JsonSerializable(typeof(V1CustomResourceDefinition))]
[JsonSerializable(typeof(V1MutatingWebhookConfiguration))]
[JsonSerializable(typeof(V1Status))]
internal sealed partial class KubeJsonContext : JsonSerializerContext;

/// <summary>JSON of the built-in kinds: camelCase, without nulls and empty parts.</summary>
public static class KubeJson
{
    /// <summary>The limit of nesting, which is that of the API server, because unread fields may be that deep.</summary>
    internal const int Depth = 10_000;

    internal static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = Depth };

    public static JsonSerializerOptions Options { get; } = OptionsOf(KubeJsonContext.Default);

    /// <summary>
    /// Returns options for the kinds of a context. Empty parts are left out (<see cref="OmitEmpty"/>), and scalars of unexpected types are
    /// converted or read as absent (<see cref="ScalarConverters"/>).
    /// </summary>
    public static JsonSerializerOptions OptionsOf(JsonSerializerContext context)
    {
        JsonSerializerOptions options = new(context.Options) { TypeInfoResolver = context.WithAddedModifier(OmitEmpty), MaxDepth = Depth };
        ScalarConverters.AddTo(options.Converters);
        return options;
    }

    /// <summary>
    /// Reads an object. A field of an unexpected JSON type is converted or reads as absent, and is named in the object's metadata
    /// (<see cref="V1ObjectMeta.MistypedFields"/>).
    /// </summary>
    /// <exception cref="JsonException">No object, or unexpected types without readable metadata to report them in.</exception>
    public static T Read<T>(ReadOnlySpan<byte> json)
        where T : class, IKubernetesEntity<T> => EntityJson.Read<T>(json);

    public static JsonTypeInfo<T> TypeInfo<T>() => Cache<T>.TypeInfo;

    /// <summary>
    /// Leaves out empty lists, maps and parts, so that a created object does not set a field that its author did not set. For a context of
    /// another assembly: <c>MyContext.Default.WithAddedModifier(KubeJson.OmitEmpty)</c>.
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
