using System.Text.Json.Serialization;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Nodes;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(TimeConverter)]
)]
[JsonSerializable(typeof(NodePod))]
internal sealed partial class NodesJson : JsonSerializerContext;
