"""Wire in: alarm contacts and contact groups."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.requests.fields import PageNumber, PageSize
from cloudheal_sim.alibaba.rpc import RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, Numbered, Struct, Text

Name = Annotated[str, Field(min_length=1, max_length=128)]
Lang = Literal["zh-cn", "en", "en-us", "ja"]


class Channels(Struct):
    """`Channels.*`."""

    mail: Text = None
    sms: Text = Field(None, alias="SMS")
    ding_web_hook: Text = None
    ali_im: Text = Field(None, alias="AliIM")


class PutContact(RpcRequest):
    """Create or change a contact."""

    contact_name: Name
    describe: str
    channels: Channels = Channels()
    lang: Annotated[Lang | None, Blank] = None


class DeleteContact(RpcRequest):
    """Delete a contact that no contact group holds."""

    contact_name: Name


class DescribeContactList(RpcRequest):
    """List contacts; `ChanelType` is spelt so."""

    contact_name: Text = None
    chanel_type: Text = None
    chanel_value: Text = None
    page_number: PageNumber = None
    page_size: PageSize = None


class PutContactGroup(RpcRequest):
    """Create or change a contact group; the list of contacts is replaced."""

    contact_group_name: Name
    contact_names: Annotated[Numbered, Field(max_length=100)] = ()
    describe: Text = None
    enable_subscribed: Flag = None


class DeleteContactGroup(RpcRequest):
    """Delete a contact group that nothing uses."""

    contact_group_name: Name


class DescribeContactGroupList(RpcRequest):
    """List contact groups."""

    page_number: PageNumber = None
    page_size: PageSize = None


class DescribeContactListByContactGroup(RpcRequest):
    """List the contacts of a contact group."""

    contact_group_name: Name
