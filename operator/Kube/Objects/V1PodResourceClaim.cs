using System.Text.Json;

namespace Bursar.Kube.Objects;

/// <summary>A pod's claim on devices: its name in the pod, and the ResourceClaim or template behind it.</summary>
public sealed record V1PodResourceClaim
{
    public string Name { get; init => field = value ?? ""; } = "";

    public string? ResourceClaimName { get; init; }

    public string? ResourceClaimTemplateName { get; init; }

    internal static V1PodResourceClaim? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? name = null, claim = null, template = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8)) name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("resourceClaimName"u8)) claim = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("resourceClaimTemplateName"u8)) template = Wire.Shared(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1PodResourceClaim { Name = name!, ResourceClaimName = claim, ResourceClaimTemplateName = template };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        Wire.Write(writer, "resourceClaimName", ResourceClaimName);
        Wire.Write(writer, "resourceClaimTemplateName", ResourceClaimTemplateName);
        writer.WriteEndObject();
    }
}
