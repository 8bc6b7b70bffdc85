using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>
/// Source-generated JSON of Bursar's kinds, with the rules of the built-in kinds: camelCase, without nulls and empty parts.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    GenerationMode = JsonSourceGenerationMode.Metadata
)]
[JsonSerializable(typeof(V1Alpha1GpuBudget))]
[JsonSerializable(typeof(V1Alpha1ClusterGpuBudget))]
[JsonSerializable(typeof(V1Alpha1GpuBudgetRequest))]
[JsonSerializable(typeof(V1Alpha1GpuPriceBook))]
[JsonSerializable(typeof(V1Alpha1GpuLedger))]
[JsonSerializable(typeof(V1Alpha1InferenceScaler))]
internal sealed partial class ApiJsonContext : JsonSerializerContext;

public static class ApiJson
{
    private static readonly System.Text.Json.JsonSerializerOptions Options = KubeJson.OptionsOf(ApiJsonContext.Default);

    public static JsonTypeInfo<V1Alpha1GpuBudget> GpuBudget { get; } = TypeInfo<V1Alpha1GpuBudget>();

    public static JsonTypeInfo<V1Alpha1ClusterGpuBudget> ClusterGpuBudget { get; } = TypeInfo<V1Alpha1ClusterGpuBudget>();

    public static JsonTypeInfo<V1Alpha1GpuBudgetRequest> GpuBudgetRequest { get; } = TypeInfo<V1Alpha1GpuBudgetRequest>();

    public static JsonTypeInfo<V1Alpha1GpuPriceBook> GpuPriceBook { get; } = TypeInfo<V1Alpha1GpuPriceBook>();

    public static JsonTypeInfo<V1Alpha1GpuLedger> GpuLedger { get; } = TypeInfo<V1Alpha1GpuLedger>();

    public static JsonTypeInfo<V1Alpha1InferenceScaler> InferenceScaler { get; } = TypeInfo<V1Alpha1InferenceScaler>();

    private static JsonTypeInfo<T> TypeInfo<T>() => (JsonTypeInfo<T>)Options.GetTypeInfo(typeof(T));
}
