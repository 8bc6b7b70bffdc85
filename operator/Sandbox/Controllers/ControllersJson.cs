using System.Text.Json.Serialization;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(TimeConverter)]
)]
[JsonSerializable(typeof(ControlledPod))]
[JsonSerializable(typeof(ControlledJob))]
[JsonSerializable(typeof(ControlledReplicaSet))]
[JsonSerializable(typeof(ControlledDeployment))]
[JsonSerializable(typeof(ControlledCronJob))]
[JsonSerializable(typeof(ControlledCronJobStatus))]
[JsonSerializable(typeof(ControlledJobStatus))]
[JsonSerializable(typeof(ControlledReplicaSetStatus))]
[JsonSerializable(typeof(ControlledDeploymentStatus))]
internal sealed partial class ControllersJson : JsonSerializerContext;
