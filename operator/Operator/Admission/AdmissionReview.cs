using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Operator.Admission;

/// <summary>admission.k8s.io/v1, as far as it is read and written: the API server's question, and with a response its answer.</summary>
internal sealed record AdmissionReview
{
    public const string Version = "admission.k8s.io/v1";

    public string? ApiVersion { get; init; }

    public string? Kind { get; init; }

    public AdmissionRequest? Request { get; init; }

    public AdmissionResponse? Response { get; init; }
}

internal sealed record AdmissionRequest
{
    public string? Uid { get; init; }

    public AdmissionKind? Kind { get; init; }

    public string? SubResource { get; init; }

    public string? Operation { get; init; }

    public string? Namespace { get; init; }

    public string? Name { get; init; }

    public JsonElement? Object { get; init; }
}

/// <summary>The kind that the object is sent as.</summary>
internal sealed record AdmissionKind(string? Group, string? Version, string? Kind);

internal sealed record AdmissionResponse
{
    public required string Uid { get; init; }

    public bool Allowed { get; init; } = true;

    /// <summary>Why it is refused; null where it is allowed.</summary>
    public AdmissionStatus? Status { get; init; }

    public string? PatchType { get; init; }

    /// <summary>A JSON patch; base64 on the wire.</summary>
    public byte[]? Patch { get; init; }

    /// <summary>What kubectl prints behind <c>Warning:</c>.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}

/// <summary>What the API server answers the client with when the request is refused.</summary>
internal sealed record AdmissionStatus(int Code, string Reason, string Message);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    // As much as the API server accepts of an object.
    MaxDepth = 10_000,
    GenerationMode = JsonSourceGenerationMode.Metadata
)]
[JsonSerializable(typeof(AdmissionReview))]
internal sealed partial class AdmissionJson : JsonSerializerContext;
