using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Operator.Admission;

/// <summary>The parts of admission.k8s.io/v1 AdmissionReview that Bursar uses: a request, and in a response the answer.</summary>
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

    /// <summary>The user who makes the request; of a request with impersonation, the impersonated one.</summary>
    public AdmissionUser? UserInfo { get; init; }

    public JsonElement? Object { get; init; }
}

internal sealed record AdmissionUser(string? Username, IReadOnlyList<string>? Groups);

internal sealed record AdmissionKind(string? Group, string? Version, string? Kind);

internal sealed record AdmissionResponse
{
    public required string Uid { get; init; }

    public bool Allowed { get; init; } = true;

    /// <summary>The reason of a denial; null if allowed.</summary>
    public AdmissionStatus? Status { get; init; }

    public string? PatchType { get; init; }

    /// <summary>A JSON patch; base64 in JSON.</summary>
    public byte[]? Patch { get; init; }

    /// <summary>Warnings that kubectl prints after <c>Warning:</c>.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}

/// <summary>The status that a client gets for a denied request.</summary>
internal sealed record AdmissionStatus(int Code, string Reason, string Message);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    // The depth that the API server accepts.
    MaxDepth = 10_000,
    GenerationMode = JsonSourceGenerationMode.Metadata
)]
[JsonSerializable(typeof(AdmissionReview))]
internal sealed partial class AdmissionJson : JsonSerializerContext;
