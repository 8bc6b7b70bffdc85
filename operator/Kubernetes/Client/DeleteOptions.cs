namespace Bursar.Kubernetes.Client;

public sealed record DeleteOptions
{
    /// <summary>Deletes only the object with this UID; otherwise the server answers 409.</summary>
    public string? Uid { get; init; }

    public string? ResourceVersion { get; init; }

    public long? GracePeriodSeconds { get; init; }

    /// <summary>Background, Foreground or Orphan.</summary>
    public string? PropagationPolicy { get; init; }

    internal byte[] ToJson() =>
        JsonBody.Write(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("apiVersion", "v1");
            writer.WriteString("kind", "DeleteOptions");
            if (GracePeriodSeconds is { } grace)
                writer.WriteNumber("gracePeriodSeconds", grace);
            if (PropagationPolicy is not null)
                writer.WriteString("propagationPolicy", PropagationPolicy);
            if (Uid is not null || ResourceVersion is not null)
            {
                writer.WriteStartObject("preconditions");
                if (Uid is not null)
                    writer.WriteString("uid", Uid);
                if (ResourceVersion is not null)
                    writer.WriteString("resourceVersion", ResourceVersion);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        });
}
