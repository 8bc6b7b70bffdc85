using System.Text.Json;

namespace Bursar.Kubernetes.Objects;

/// <summary>A container of a pod or template. The image and command are written but never read, because nothing depends on them.</summary>
public sealed record V1Container
{
    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public string? Image { get; init; }

    public IReadOnlyList<string>? Command { get; init; }

    public V1ResourceRequirements Resources
    {
        get;
        init => field = value ?? V1ResourceRequirements.Empty;
    } = V1ResourceRequirements.Empty;

    public IReadOnlyList<V1ContainerPort> Ports
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary><c>Always</c> on an init container makes it a sidecar that keeps its resources.</summary>
    public string? RestartPolicy { get; init; }

    internal static V1Container? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? name = null,
            restart = null;
        V1ResourceRequirements resources = V1ResourceRequirements.Empty;
        V1ContainerPort[] ports = [];
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
                name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("resources"u8))
                resources = V1ResourceRequirements.Read(ref reader);
            else if (reader.ValueTextEquals("ports"u8))
                ports = Wire.Array(ref reader, V1ContainerPort.Read);
            else if (reader.ValueTextEquals("restartPolicy"u8))
                restart = Wire.Shared(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new V1Container
        {
            Name = name!,
            Resources = resources,
            Ports = SharedParts.Share(ports),
            RestartPolicy = restart,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        Wire.Write(writer, "image", Image);
        if (Command is not null)
            Wire.Write(writer, "command", Command, static (w, argument) => w.WriteStringValue(argument));
        Resources.Write(writer);
        Wire.Write(writer, "ports", Ports, static (w, port) => port.Write(w));
        Wire.Write(writer, "restartPolicy", RestartPolicy);
        writer.WriteEndObject();
    }
}

public sealed record V1ContainerPort
{
    public string? Name { get; init; }

    public int ContainerPort { get; init; }

    internal static V1ContainerPort? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? name = null;
        int port = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
                name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("containerPort"u8))
                port = Wire.Int(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new V1ContainerPort { Name = name, ContainerPort = port };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        Wire.Write(writer, "name", Name);
        writer.WriteNumber("containerPort", ContainerPort);
        writer.WriteEndObject();
    }
}

/// <summary>Resource requirements. Quantities are strings, parsed where they are used.</summary>
public sealed record V1ResourceRequirements
{
    public static readonly V1ResourceRequirements Empty = new();

    public IReadOnlyDictionary<string, string> Limits
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public IReadOnlyDictionary<string, string> Requests
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    internal static V1ResourceRequirements Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        StringMap limits = StringMap.Empty,
            requests = StringMap.Empty;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("limits"u8))
                limits = Wire.Map(ref reader);
            else if (reader.ValueTextEquals("requests"u8))
                requests = Wire.Map(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return ResourcePool.Share(limits, requests);
    }

    /// <summary>Writes the property <c>resources</c>, unless it is empty.</summary>
    internal void Write(Utf8JsonWriter writer)
    {
        if (Limits.Count == 0 && Requests.Count == 0)
            return;
        writer.WriteStartObject("resources");
        Wire.Write(writer, "limits", Limits);
        Wire.Write(writer, "requests", Requests);
        writer.WriteEndObject();
    }
}
