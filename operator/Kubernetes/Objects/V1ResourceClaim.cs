using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A claim on devices of a node (dynamic resource allocation), with the devices allocated for it.</summary>
[KubernetesEntity(Group = "resource.k8s.io", ApiVersion = "v1", Kind = "ResourceClaim", PluralName = "resourceclaims")]
public sealed record V1ResourceClaim : IKubernetesEntity<V1ResourceClaim>
{
    public static EntityKind EntityKind { get; } = new("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims");

    public static JsonTypeInfo<V1ResourceClaim> JsonTypeInfo => KubeJson.TypeInfo<V1ResourceClaim>();

    public string ApiVersion => "resource.k8s.io/v1";

    public string Kind => "ResourceClaim";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1ResourceClaimSpec Spec
    {
        get;
        init => field = value ?? V1ResourceClaimSpec.Empty;
    } = V1ResourceClaimSpec.Empty;

    public V1ResourceClaimStatus Status
    {
        get;
        init => field = value ?? V1ResourceClaimStatus.Empty;
    } = V1ResourceClaimStatus.Empty;
}

/// <summary>The template from which a claim is created for each pod.</summary>
[KubernetesEntity(Group = "resource.k8s.io", ApiVersion = "v1", Kind = "ResourceClaimTemplate", PluralName = "resourceclaimtemplates")]
public sealed record V1ResourceClaimTemplate : IKubernetesEntity<V1ResourceClaimTemplate>
{
    public static EntityKind EntityKind { get; } = new("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates");

    public static JsonTypeInfo<V1ResourceClaimTemplate> JsonTypeInfo => KubeJson.TypeInfo<V1ResourceClaimTemplate>();

    public string ApiVersion => "resource.k8s.io/v1";

    public string Kind => "ResourceClaimTemplate";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1ResourceClaimTemplateSpec Spec
    {
        get;
        init => field = value ?? V1ResourceClaimTemplateSpec.Empty;
    } = V1ResourceClaimTemplateSpec.Empty;
}

public sealed record V1ResourceClaimTemplateSpec
{
    public static readonly V1ResourceClaimTemplateSpec Empty = new();

    public V1ResourceClaimSpec Spec
    {
        get;
        init => field = value ?? V1ResourceClaimSpec.Empty;
    } = V1ResourceClaimSpec.Empty;
}

/// <summary>The requests of a claim, which are under <c>devices</c> in the JSON.</summary>
[JsonConverter(typeof(V1ResourceClaimSpecConverter))]
public sealed record V1ResourceClaimSpec
{
    public static readonly V1ResourceClaimSpec Empty = new();

    public IReadOnlyList<V1DeviceRequest> Requests
    {
        get;
        init => field = value ?? [];
    } = [];

    internal static V1ResourceClaimSpec Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        V1DeviceRequest[] requests = [];
        while (Wire.NextProperty(ref reader))
        {
            if (!reader.ValueTextEquals("devices"u8))
                Wire.Pass(ref reader);
            else if (Wire.EnterObject(ref reader))
                while (Wire.NextProperty(ref reader))
                {
                    if (reader.ValueTextEquals("requests"u8))
                        requests = Wire.Array(ref reader, V1DeviceRequest.Read);
                    else
                        Wire.Pass(ref reader);
                }
        }

        return requests.Length == 0 ? Empty : new() { Requests = requests };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("devices");
        Wire.Write(writer, "requests", Requests, static (w, request) => request.Write(w));
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}

/// <summary>
/// A request for devices. In v1beta1 its fields are in the request itself, in later versions under <c>exactly</c>. Of alternatives
/// (<c>firstAvailable</c>) the first is read, because the scheduler prefers it.
/// </summary>
public sealed record V1DeviceRequest
{
    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public string DeviceClassName
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>CEL expressions that a device must satisfy.</summary>
    public IReadOnlyList<string> Selectors
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>The number of devices; the API server's default is one.</summary>
    public long Count { get; init; } = 1;

    /// <summary>True to request all matching devices of a node instead of a number.</summary>
    public bool All { get; init; }

    /// <summary>True for a request that only monitors devices which others use.</summary>
    public bool AdminAccess { get; init; }

    internal static V1DeviceRequest? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? name = null,
            deviceClass = null;
        V1DeviceRequest? inner = null;
        string[] selectors = [];
        long count = 1;
        bool all = false,
            admin = false;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
                name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("deviceClassName"u8))
                deviceClass = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("selectors"u8))
                selectors = Wire.Array(ref reader, V1DeviceClassSpec.ReadSelector);
            else if (reader.ValueTextEquals("allocationMode"u8))
                all = Wire.Shared(ref reader) == "All";
            else if (reader.ValueTextEquals("count"u8))
                count = Wire.Long(ref reader, 1);
            else if (reader.ValueTextEquals("adminAccess"u8))
                admin = Wire.Bool(ref reader);
            else if (reader.ValueTextEquals("exactly"u8))
                inner = Read(ref reader);
            else if (reader.ValueTextEquals("firstAvailable"u8))
                inner = Wire.Array(ref reader, Read).FirstOrDefault() ?? inner;
            else
                Wire.Pass(ref reader);
        }

        return inner is not null
            ? inner with
            {
                Name = name!,
            }
            : new()
            {
                Name = name!,
                DeviceClassName = deviceClass!,
                Selectors = selectors,
                Count = count,
                All = all,
                AdminAccess = admin,
            };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        writer.WriteStartObject("exactly");
        Wire.Write(writer, "deviceClassName", DeviceClassName);
        Wire.Write(writer, "selectors", Selectors, V1DeviceClassSpec.WriteSelector);
        writer.WriteString("allocationMode", All ? "All" : "ExactCount");
        if (!All)
            writer.WriteNumber("count", Count);
        if (AdminAccess)
            writer.WriteBoolean("adminAccess", true);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}

/// <summary>The devices allocated for a claim.</summary>
[JsonConverter(typeof(V1ResourceClaimStatusConverter))]
public sealed record V1ResourceClaimStatus
{
    public static readonly V1ResourceClaimStatus Empty = new();

    public bool IsAllocated { get; init; }

    public IReadOnlyList<V1AllocatedDevice> Devices
    {
        get;
        init => field = value ?? [];
    } = [];

    internal static V1ResourceClaimStatus Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        bool allocated = false;
        V1AllocatedDevice[] devices = [];
        while (Wire.NextProperty(ref reader))
        {
            if (!reader.ValueTextEquals("allocation"u8))
            {
                Wire.Pass(ref reader);
                continue;
            }

            if (!Wire.EnterObject(ref reader))
                continue;
            allocated = true;
            while (Wire.NextProperty(ref reader))
            {
                if (!reader.ValueTextEquals("devices"u8))
                    Wire.Pass(ref reader);
                else if (Wire.EnterObject(ref reader))
                    while (Wire.NextProperty(ref reader))
                    {
                        if (reader.ValueTextEquals("results"u8))
                            devices = Wire.Array(ref reader, V1AllocatedDevice.Read);
                        else
                            Wire.Pass(ref reader);
                    }
            }
        }

        return allocated ? new() { IsAllocated = true, Devices = devices } : Empty;
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        if (IsAllocated)
        {
            writer.WriteStartObject("allocation");
            writer.WriteStartObject("devices");
            Wire.Write(writer, "results", Devices, static (w, device) => device.Write(w));
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }
}

public sealed record V1AllocatedDevice
{
    public string Request
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Driver
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Pool
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Device
    {
        get;
        init => field = value ?? "";
    } = "";

    public bool AdminAccess { get; init; }

    /// <summary>The claim's part of the memory of a device that several claims may share; null if the claim has the device alone.</summary>
    public string? ConsumedMemory { get; init; }

    internal static V1AllocatedDevice? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? request = null,
            driver = null,
            pool = null,
            device = null,
            memory = null;
        bool admin = false;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("request"u8))
                request = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("driver"u8))
                driver = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("pool"u8))
                pool = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("device"u8))
                device = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("adminAccess"u8))
                admin = Wire.Bool(ref reader);
            else if (reader.ValueTextEquals("consumedCapacity"u8))
            {
                foreach ((string name, string quantity) in Wire.Map(ref reader))
                    if (name == "memory" || name.EndsWith("/memory", StringComparison.Ordinal))
                        memory = quantity;
            }
            else
                Wire.Pass(ref reader);
        }

        return new()
        {
            Request = request!,
            Driver = driver!,
            Pool = pool!,
            Device = device!,
            AdminAccess = admin,
            ConsumedMemory = memory,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("request", Request);
        writer.WriteString("driver", Driver);
        writer.WriteString("pool", Pool);
        writer.WriteString("device", Device);
        if (AdminAccess)
            writer.WriteBoolean("adminAccess", true);
        if (ConsumedMemory is not null)
        {
            writer.WriteStartObject("consumedCapacity");
            writer.WriteString("memory", ConsumedMemory);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }
}

internal sealed class V1ResourceClaimSpecConverter : JsonConverter<V1ResourceClaimSpec>
{
    public override V1ResourceClaimSpec Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1ResourceClaimSpec.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1ResourceClaimSpec value, JsonSerializerOptions options) => value.Write(writer);
}

internal sealed class V1ResourceClaimStatusConverter : JsonConverter<V1ResourceClaimStatus>
{
    public override V1ResourceClaimStatus Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1ResourceClaimStatus.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1ResourceClaimStatus value, JsonSerializerOptions options) => value.Write(writer);
}
